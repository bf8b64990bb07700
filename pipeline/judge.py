"""Rows of texts -> the values of their lines, and why a line is set aside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias, cast, get_args
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline import parse
from pipeline.mapping import Mapping, TextField, normalise
from pipeline.parse import Flags, Moments
from pipeline.rows import Rows
from pipeline.schema import FEW, INSTANT, LINES, REJECT_REASONS

Values: TypeAlias = "pa.Array[Any]"
Reasons = npt.NDArray[np.int8]

ACCEPTED = -1
IGNORED = -2
_EPOCH = date(1970, 1, 1)
_TEXTS: tuple[str, ...] = get_args(TextField)
_OPERATIONS = ("purchase", "cancellation", "ignore")


@dataclass(frozen=True, slots=True)
class Rules:
    """What a file's values mean: its mapping, its time zone, the as-of day, and the operation that it fixes, if it does."""

    mapping: Mapping
    zone: ZoneInfo
    as_of: date
    fixed: str | None


def judge(rows: Rows, rules: Rules) -> tuple[pa.Table, Reasons]:
    """Every row's values in the columns of `LINES`, and per row `ACCEPTED`, `IGNORED` or the first of `REJECT_REASONS`."""
    operations = _operations(rows, rules)
    cancelled = operations == _OPERATIONS.index("cancellation")
    times = _Times.read(rows, rules)
    emails = parse.emails(_text(rows, "email"))
    tickets = _tickets(rows, rules.mapping)
    cents = _cents(rows, rules.mapping, tickets)
    transaction_ids = parse.ids(_text(rows, "transaction_id"))
    bad: dict[str, Flags] = {
        "no_email": ~emails.filled & ~cancelled,
        "bad_email": emails.filled & ~emails.valid & ~cancelled,
        "bad_date": ~times.transaction.valid | times.unreadable | (~times.start.filled & ~cancelled),
        "bad_amount": ~cents.valid & ~cancelled,
        "bad_count": ~tickets.valid,
        "bad_operation": operations < 0,
        "no_transaction": np.array(transaction_ids.is_null(), dtype=np.bool_),
        "future_date": times.transaction.valid & (times.transaction.days > (rules.as_of - _EPOCH).days),
    }
    reasons = np.full(len(rows.lines), ACCEPTED, dtype=np.int8)
    for reason in reversed(list(bad)):
        reasons[bad[reason]] = REJECT_REASONS.index(reason)
    reasons[operations == _OPERATIONS.index("ignore")] = IGNORED
    columns = {
        "line": pa.array(rows.lines, pa.int64()),
        "operation": pa.DictionaryArray.from_arrays(
            pa.array(cancelled.astype(np.int32)), pa.array(_OPERATIONS[:2], pa.string())
        ),
        "transaction_id": transaction_ids,
        "email": emails.values,
        **times.columns(),
        **_texts(rows, rules.mapping),
        "tickets": pa.array(tickets.values),
        "net_cents": pa.array(np.where(cancelled, 0, cents.values)),
    }
    size = len(rows.lines)
    return pa.Table.from_arrays(
        [_shaped(columns.get(field.name), field.type, size) for field in LINES], schema=LINES
    ), reasons


def _text(rows: Rows, field: str) -> parse.Column:
    column = rows.text(field)
    return pa.nulls(len(rows.lines), pa.string()) if column is None else column


def _texts(rows: Rows, mapping: Mapping) -> dict[str, Values]:
    written = {field: rows.text(field) for field in _TEXTS}
    read = {
        field: parse.texts(column, apostrophe=field in mapping.strip_apostrophe)
        for field, column in written.items()
        if column is not None
    }
    if "contact_id" in read:
        read["contact_id"] = parse.ids(read["contact_id"])
    return cast(dict[str, Values], read)


def _shaped(column: Values | None, kind: pa.DataType, size: int) -> Values:
    """A column as its type in `LINES` wants it."""
    if column is None:
        return cast(Values, pa.nulls(size, cast(Any, kind)))
    if kind == FEW and not pa.types.is_dictionary(column.type):
        return cast(Values, column.dictionary_encode())
    if kind != FEW and pa.types.is_dictionary(column.type):
        return cast(Values, parse.plain(cast(parse.Few, column)))
    return column


def _operations(rows: Rows, rules: Rules) -> npt.NDArray[np.int8]:
    """Per row the place of its operation in `_OPERATIONS`; -1 for a word that the mapping does not know."""
    if rules.fixed is not None:
        return np.full(len(rows.lines), _OPERATIONS.index(rules.fixed), dtype=np.int8)
    words, places = parse.encoded(_text(rows, "operation"))
    vocabulary = rules.mapping.operation.vocabulary()
    meant = [vocabulary.get(normalise(word or "")) for word in words.to_pylist()]
    codes = np.array([_OPERATIONS.index(kind) if kind else -1 for kind in meant], dtype=np.int8)
    return codes[places]


def _tickets(rows: Rows, mapping: Mapping) -> parse.Numbers:
    if mapping.one_ticket_per_line:
        size = len(rows.lines)
        return parse.Numbers(np.ones(size, dtype=np.int64), np.ones(size, dtype=np.bool_))
    return parse.counts(_text(rows, "tickets"))


def _cents(rows: Rows, mapping: Mapping, tickets: parse.Numbers) -> parse.Numbers:
    """The line's total, in cents: as written, or the price of one ticket times their number."""
    if mapping.columns.net_amount:
        return parse.amounts(_text(rows, "net_amount"), mapping.decimal)
    price = parse.amounts(_text(rows, "unit_price"), mapping.decimal)
    fits = np.abs(price.values.astype(np.float64)) * tickets.values < parse.CENTS_LIMIT
    return parse.Numbers(np.where(fits, price.values, 0) * tickets.values, price.valid & fits)


@dataclass(frozen=True, slots=True)
class _Times:
    """The dates of the rows."""

    transaction: Moments
    start: Moments
    end: Moments
    initial: Moments
    created: Moments

    @classmethod
    def read(cls, rows: Rows, rules: Rules) -> _Times:
        def moments(day: str, time: str = "") -> Moments:
            column, clock = _text(rows, day), rows.text(time)
            if clock is not None:
                column = parse.joined(column, clock)
            return parse.moments(column, rules.mapping.dates, rules.zone)

        return cls(
            transaction=moments("transaction_at", "transaction_time"),
            start=moments("performance_start", "performance_start_time"),
            end=moments("performance_end", "performance_end_time"),
            initial=moments("initial_transaction_date"),
            created=moments("client_created_on"),
        )

    @property
    def unreadable(self) -> Flags:
        """Rows with a date, even an optional one, that is filled and is none."""
        return self.start.bad | self.end.bad | self.initial.bad | self.created.bad

    def columns(self) -> dict[str, Values]:
        """The date columns of `LINES`."""
        ended = np.where(self.end.valid, self.end.days, self.start.days)
        start = pa.array(self.start.local // parse.SECOND, mask=~self.start.valid).dictionary_encode()
        written = start.dictionary.cast(pa.timestamp("s")).cast(pa.string())
        return {
            "transaction_at": pa.array(self.transaction.utc).cast(pa.timestamp("us")).cast(INSTANT),
            "transaction_on": _days(self.transaction.days, self.transaction.valid),
            "initial_transaction_date": _days(self.initial.days, self.initial.valid),
            "client_created_on": _days(self.created.days, self.created.valid),
            "performance_start": pa.DictionaryArray.from_arrays(start.indices, written),
            "performance_end_on": _days(ended, self.end.valid | self.start.valid),
        }


def _days(days: npt.NDArray[np.int64], valid: Flags) -> pa.Date32Array:
    return cast(pa.Date32Array, pa.array(days.astype(np.int32), mask=~valid).cast(pa.date32()))
