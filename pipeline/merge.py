"""Lines -> bookings and cancellations (pure, columnar).

`aggregate` turns lines into ledger rows: the lines of one load (a day, or a backfill's file), or a part of them that
holds all lines of its transactions.  Only bookings of several lines are grouped at all, and Python looks at single
values only where their price categories are joined.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import policy
from pipeline.schema import BOOKING, CANCELLATION, CARRIED, JOINED
from pipeline.spill import Coded, Column, Integers, Spill, column_of, whole

MANY = 100_000
"""Values at once from which on pandas numbers them, a sixth quicker: those of a part of some 2 million lines and more."""
_LARGEST = 2**62


@dataclass(frozen=True, slots=True)
class Part:
    """Ledger rows as Arrow tables with the columns BOOKING and CANCELLATION plus `file` and `lines`.

    `file` is the position of the file (of the first line) in the load, `lines` its line numbers as `2,3`.  Instants are
    integer microseconds since 1970 UTC; days and `performance_start` are local ISO texts.  Texts may be dictionaries.
    `merged` lines made them, if that is known.
    """

    bookings: pa.Table
    cancellations: pa.Table
    merged: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Entries:
    """The ledger rows of one load, merged `parts` by part each time they are asked for.

    No part has a booking of another's transactions.  `desk`: a folder for what has to be laid out on the way.
    """

    parts: Callable[[], Iterator[Part]]
    desk: Path | None = None

    @staticmethod
    def of(lines: Spill) -> Entries:
        """What these lines come to."""
        return Entries(lambda: (aggregate(part) for part in lines.parts()), lines.desk)

    def watched(self, progress: Callable[[int], None]) -> Entries:
        """The same; `progress` is told how many lines were merged so far."""

        def parts() -> Iterator[Part]:
            merged = 0
            for part in self.parts():
                yield part
                merged += part.merged
                progress(merged)

        return Entries(parts, self.desk)

    def count_people(self) -> int:
        """How many addresses they carry."""
        emails = [
            table.column("email").unique() for part in self.parts() for table in (part.bookings, part.cancellations)
        ]
        return int(pc.count_distinct(pa.chunked_array(emails, pa.string())).as_py()) if emails else 0


def aggregate(lines: pa.Table) -> Part:
    """Rule 1: the lines of one (transaction, performance) become one booking; those of one cancellation, one as well.

    `lines`: the columns of the schema `LINES`, each in one piece, and `file`.
    """
    keyed = _Lines(_with_keys(lines))
    bought = pc.equal(keyed.column("operation").cast(pa.string()), pa.scalar("purchase")).to_numpy(zero_copy_only=False)
    cancelled = _cancellations(keyed, np.flatnonzero(~bought))
    return Part(_bookings(keyed, np.flatnonzero(bought)), cancelled, lines.num_rows)


# Keys


def _with_keys(lines: pa.Table) -> pa.Table:
    """The lines with the keys of their shows and performances, worked out once per combination of words."""
    show, first = _combined(lines, "show_id", "show_title")
    keys = [policy.show_key(*words) for words in _words(lines, first, "show_id", "show_title")]
    lines = lines.append_column("show_key", _coded(keys, show))
    names = ("performance_id", "show_title", "performance_start")
    performance, first = _combined(lines, *names)
    keys = [policy.performance_key(*words) for words in _words(lines, first, *names)]
    return lines.append_column("performance_key", _coded(keys, performance))


def _combined(lines: pa.Table, *names: str) -> tuple[Integers, Integers]:
    """A number per row, the same for rows that agree in these columns; and where each number occurs first."""
    columns = [whole(lines.column(name)) for name in names]
    combined = _agreeing(*(_codes(_encoded(column)) for column in columns))
    return combined, np.flatnonzero(np.diff(np.maximum.accumulate(combined), prepend=-1))


def _agreeing(*columns: Integers) -> Integers:
    """A number per row, as they first occur: the same for rows that agree in all of these columns, of numbers from -1 on."""
    combined, size = np.zeros(len(columns[0]), dtype=np.int64), 1
    for numbers in columns:
        base = int(numbers.max(initial=-1)) + 2
        if size > _LARGEST // base:
            combined, distinct = numbered(combined)
            size = len(distinct)
        combined, size = combined * base + numbers + 1, size * base
    return numbered(combined)[0]


def numbered(values: Integers, many: int = MANY) -> tuple[Integers, Integers]:
    """A number per value, as they first occur; and the values by their numbers.  From `many` values on, by pandas."""
    if len(values) < many:
        coded = column_of(values).dictionary_encode()
        return _codes(coded), coded.dictionary.to_numpy()
    import pandas as pd

    codes, distinct = pd.factorize(values)
    return codes.astype(np.int64), distinct


def _words(lines: pa.Table, rows: Integers, *names: str) -> Iterator[tuple[str | None, ...]]:
    chosen = lines.select(names).take(column_of(rows))
    return zip(*(chosen.column(name).cast(pa.string()).to_pylist() for name in names), strict=True)


def _coded(keys: list[str | None], numbers: Integers) -> Coded:
    """The keys by their numbers, as a dictionary without repeats."""
    known: dict[str, int] = {}
    codes = np.array([-1 if key is None else known.setdefault(key, len(known)) for key in keys], dtype=np.int32)
    return pa.DictionaryArray.from_arrays(column_of(codes[numbers], filled=False), pa.array(list(known), pa.string()))


def _encoded(column: Column) -> Coded:
    return column if isinstance(column, pa.DictionaryArray) else column.dictionary_encode()


def _codes(column: Coded) -> Integers:
    """The numbers of a dictionary's values, -1 for null."""
    codes: Integers = column.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes


# Groups of lines


class _Lines:
    """Lines with their keys, as columns."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.rows = table.num_rows

    def column(self, name: str) -> Column:
        return whole(self._table.column(name))

    def numbers(self, name: str) -> Integers:
        """A column of integers, instants (microseconds) or days (since 1970)."""
        column = self.column(name)
        narrow = column.cast(pa.int32()) if pa.types.is_date(column.type) else column
        return narrow.cast(pa.int64()).to_numpy(zero_copy_only=False)


@dataclass(frozen=True, slots=True)
class _Groups:
    """Which lines belong together: `single` are alone; `order` lists the others group by group, from `starts` on."""

    single: Integers
    order: Integers
    starts: Integers

    def first(self, column: Column) -> Column:
        """Per group the first value that is there."""
        if column.null_count == len(column):
            return column[: len(self.single) + len(self.starts)]
        chosen = self.order[self.starts]
        if column.null_count and len(self.order):
            filled = np.where(
                column.is_valid().to_numpy(zero_copy_only=False)[self.order],
                np.arange(len(self.order)),
                len(self.order),
            )
            places = np.minimum.reduceat(filled, self.starts)
            chosen = self.order[np.where(places < len(self.order), places, self.starts)]
        return _taken(column, np.concatenate([self.single, chosen]))

    def total(self, numbers: Integers) -> Integers:
        """Per group the sum."""
        return self._reduced(np.add, numbers)

    def latest(self, numbers: Integers) -> Integers:
        """Per group the greatest."""
        return self._reduced(np.maximum, numbers)

    def _reduced(self, how: np.ufunc, numbers: Integers) -> Integers:
        several = how.reduceat(numbers[self.order], self.starts) if len(self.starts) else numbers[:0]
        return np.concatenate([numbers[self.single], several])

    def joined(self, column: Coded) -> Coded:
        """Per group the different texts joined; each combination is put together once."""
        words: list[str | None] = column.dictionary.to_pylist()
        codes = _codes(column)
        several = self._reduced(np.minimum, codes)[len(self.single) :]
        differing = np.flatnonzero(several != self._reduced(np.maximum, codes)[len(self.single) :])
        listed = codes[self.order].tolist()
        ends = np.append(self.starts, len(self.order))[differing + 1].tolist()
        known: dict[tuple[int, ...], int] = {}
        for group, start, end in zip(differing.tolist(), self.starts[differing].tolist(), ends, strict=True):
            combination = tuple(listed[start:end])
            if (code := known.get(combination)) is None:
                text = policy.joined(words[code] if code >= 0 else None for code in combination)
                words.append(text)
                code = known[combination] = -1 if text is None else len(words) - 1
            several[group] = code
        found = column_of(np.concatenate([codes[self.single], several]).astype(np.int32), filled=False)
        return pa.DictionaryArray.from_arrays(found, pa.array(words, pa.string()), safe=False)

    def places(self, lines: _Lines) -> tuple[Integers, Column]:
        """Per group the file of its first line, and the numbers of its lines in that file as `2,3`."""
        file = lines.numbers("file")
        first = file[self.order[self.starts]]
        counts = np.diff(np.append(self.starts, len(self.order)))
        kept = file[self.order] == np.repeat(first, counts)
        line = lines.column("line")
        alone = _taken(line, self.single).cast(pa.string())
        if not len(self.starts):
            return file[self.single], alone
        ends = np.cumsum(np.add.reduceat(kept.astype(np.int64), self.starts))
        starts = column_of(np.concatenate([[0], ends])).cast(pa.int32())
        texts = _taken(line, self.order[kept]).cast(pa.string())
        lists = pa.ListArray.from_arrays(cast("pa.Int32Array", starts), texts)
        return np.concatenate([file[self.single], first]), pa.concat_arrays(
            [alone, cast(Column, pc.binary_join(lists, ","))]
        )


def _taken(column: Column, rows: Integers) -> Column:
    return pc.take(column, column_of(rows), boundscheck=False)


def _grouped(lines: _Lines, rows: Integers, *keys: Integers) -> _Groups:
    """Group those of these rows that agree in transaction, performance and `keys`; groups in the order of their first lines."""
    transactions = _taken(lines.column("transaction_id"), rows)
    combined = _agreeing(
        _codes(_encoded(transactions)),
        _codes(_encoded(lines.column("performance_key")))[rows],
        *(numbered(key[rows])[0] for key in keys),
    )
    several = np.bincount(combined, minlength=1)[combined] > 1 if len(rows) else np.zeros(0, dtype=np.bool_)
    order = np.flatnonzero(several)
    order = order[np.argsort(combined[order], kind="stable")]
    starts = np.flatnonzero(np.diff(combined[order], prepend=-1))
    return _Groups(rows[~several], rows[order], starts)


def _days(days: Integers) -> Column:
    """Days since 1970 as ISO texts; few days occur, so each is written once."""
    codes, distinct = numbered(days)
    texts = pa.array(distinct.astype(np.int32)).cast(pa.date32()).cast(pa.string())
    return pa.DictionaryArray.from_arrays(column_of(codes).cast(pa.int32()), texts)


def _written(column: Column) -> Column:
    """A column of a line as the ledger has it: days as ISO texts."""
    if not pa.types.is_date(column.type):
        return column
    coded = column.dictionary_encode()
    return pa.DictionaryArray.from_arrays(coded.indices, coded.dictionary.cast(pa.string()), safe=False)


def _bookings(lines: _Lines, rows: Integers) -> pa.Table:
    """One row per booking that these rows tell of."""
    groups = _grouped(lines, rows)
    files, numbers = groups.places(lines)
    columns = {name: _written(groups.first(lines.column(name))) for name in (*BOOKING[:3], *CARRIED)}
    columns["booked_at"] = pa.array(groups.latest(lines.numbers("transaction_at")))
    columns["booked_on"] = _days(groups.latest(lines.numbers("transaction_on")))
    columns |= {name: groups.joined(cast(Coded, lines.column(name))) for name in JOINED}
    columns |= {name: pa.array(groups.total(lines.numbers(name))) for name in ("tickets", "net_cents")}
    return pa.table({name: columns[name] for name in BOOKING} | {"file": pa.array(files), "lines": numbers})


def _cancellations(lines: _Lines, rows: Integers) -> pa.Table:
    """One row per (transaction, performance, instant) that these rows tell of: the lines of one act are summed."""
    groups = _grouped(lines, rows, lines.numbers("transaction_at"))
    files, numbers = groups.places(lines)
    named = {"cancelled_at": "transaction_at", "cancelled_on": "transaction_on"}
    columns = {name: _written(groups.first(lines.column(named.get(name, name)))) for name in CANCELLATION}
    columns["cancelled_at"] = columns["cancelled_at"].cast(pa.int64())
    columns["tickets"] = pa.array(groups.total(lines.numbers("tickets")))
    return pa.table({name: columns[name] for name in CANCELLATION} | {"file": pa.array(files), "lines": numbers})
