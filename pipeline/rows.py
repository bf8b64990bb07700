"""Blocks of a day file's text -> rows of texts by field, and the records that have too many or too few values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pv

from pipeline.content import refuse
from pipeline.layout import Layout
from pipeline.parse import Column
from pipeline.records import Cutter, Lines, Records
from pipeline.schema import FEW

MAX_REJECTS = 5_000_000
"""Bad lines that are set aside one by one; a file with more of them is no day file."""
_DISTINCT = ("transaction_id", "transaction_at", "email", "contact_id", "phone")
"""Fields whose values are mostly distinct; the others are read as dictionaries, so that each value is parsed once a block."""


@dataclass(frozen=True, slots=True)
class Ragged:
    """A record with too many or too few values: its place in its block, its line and its number of values."""

    place: int
    line: int
    values: int


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a block that have the right number of values, and the others.

    `places` are the rows' places among the records of the block, `lines` their line numbers.
    """

    places: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    table: pa.Table
    ragged: tuple[Ragged, ...]
    records: Callable[[], Records]

    def text(self, field: str) -> Column | None:
        """A column as it was written; None when the file does not have it."""
        place = self.table.schema.get_field_index(field)
        if place < 0:
            return None
        column = self.table.column(place)
        return cast(Column, column.chunk(0) if column.num_chunks == 1 else column.combine_chunks())


class RowReader:
    """Finds the rows of a file of this layout."""

    def __init__(self, name: str, layout: Layout) -> None:
        self._name = name
        self._delimiter = layout.delimiter
        self._names = [f"c{place}" for place in range(len(layout.names))]
        fields = layout.places if layout.operation is None else {**layout.places, "operation": layout.operation}
        self._fields = {field: self._names[place] for field, place in fields.items()}
        distinct = {self._fields[field] for field in _DISTINCT if field in self._fields}
        self._types = {
            column: pa.string() if column in distinct else FEW for column in sorted(set(self._fields.values()))
        }
        self._ragged = 0

    def blocks(self, cutter: Cutter) -> Iterator[Rows]:
        """The rows, block by block; UntrustedFile when they cannot be told apart, or too many are ragged."""
        while True:
            lines = cutter.lines()
            rows = None if lines is None else self._tried(lines)
            if lines is not None and rows is not None:
                cutter.took(lines)
            else:
                found = cutter.records()
                if found is None:
                    return
                rows = self._found(found)
            yield rows

    def _tried(self, block: Lines) -> Rows | None:
        """The rows of a block of lines, if each line is one record.

        It is proved by their number: no row has less than one line end, and an empty line is no row.  A row of no values
        put behind them proves that the last line does not go on in the next block.
        """
        if len(self._names) < 2:
            return None
        probe = self._delimiter.encode() * (len(self._names) - 1) + b"\n"
        try:
            table, ragged = self._parsed(b"".join((block.data, probe)), quoted=False)
        except pa.ArrowException:
            return None
        number = table.num_rows + len(ragged) - 1
        if number != block.number:
            return None
        return self._rows(_without_last(table), ragged, np.arange(block.line, block.line + number), block.records)

    def _found(self, found: Records) -> Rows:
        """The rows of records whose places are known."""
        end = int(found.ends[-1]) if len(found.ends) else 0
        try:
            table, ragged = self._parsed(found.data[:end], quoted=found.quoted)
        except pa.ArrowException as error:
            check_rejects(self._name, self._ragged)
            refuse(self._name, f"the rows cannot be told apart ({type(error).__name__})")
        by_ends, by_values = len(found.starts) - len(ragged), table.num_rows
        if by_ends != by_values:
            refuse(
                self._name,
                f"the rows cannot be told apart: {by_ends} by their line ends, {by_values} by their values",
            )
        return self._rows(table, ragged, found.lines, lambda: found)

    def _rows(
        self, table: pa.Table, ragged: dict[int, int], lines: npt.NDArray[np.int64], records: Callable[[], Records]
    ) -> Rows:
        self._ragged += len(ragged)
        if not ragged:
            return Rows(np.arange(len(lines)), lines, table, (), records)
        regular = np.ones(len(lines), dtype=np.bool_)
        regular[list(ragged)] = False
        places = np.flatnonzero(regular)
        found = records()
        filled = [place for place in sorted(ragged) if found.text(place).strip()]
        kept = tuple(Ragged(place, int(lines[place]), ragged[place]) for place in filled)
        return Rows(places, lines[places], table, kept, lambda: found)

    def _parsed(self, data: bytes, *, quoted: bool) -> tuple[pa.Table, dict[int, int]]:
        """The columns that the mapping knows, as texts by field, and the numbers of values of the ragged rows by place."""
        ragged: dict[int, int] = {}

        def set_aside(row: pv.InvalidRow) -> Literal["skip", "error"]:
            ragged[(row.number or 1) - 1] = row.actual_columns
            return "skip" if self._ragged + len(ragged) <= MAX_REJECTS else "error"

        if not data:
            return pa.table({field: pa.array([], pa.string()) for field in self._fields}), ragged
        try:
            table = pv.read_csv(
                cast(BinaryIO, pa.BufferReader(pa.py_buffer(data))),
                read_options=pv.ReadOptions(use_threads=False, column_names=self._names, block_size=len(data) + 1),
                parse_options=pv.ParseOptions(
                    delimiter=self._delimiter, newlines_in_values=quoted, invalid_row_handler=set_aside
                ),
                convert_options=pv.ConvertOptions(
                    column_types=self._types,
                    include_columns=list(self._types),
                    check_utf8=False,  # the whole text was looked at before
                    strings_can_be_null=False,
                    quoted_strings_can_be_null=False,
                ),
            )
        except pa.ArrowException:
            if self._ragged + len(ragged) > MAX_REJECTS:
                self._ragged += len(ragged)
            raise
        return pa.Table.from_arrays(
            [table.column(name) for name in self._fields.values()], names=list(self._fields)
        ), ragged


def _without_last(table: pa.Table) -> pa.Table:
    """The table without its last row, and without the words that are in no other row."""
    columns = [column.slice(0, len(column) - 1) for column in table.columns]
    for place, column in enumerate(table.columns):
        if pa.types.is_dictionary(column.type):
            coded = cast("pa.DictionaryArray[Any, Any]", column.chunk(0))
            kept, words = coded.indices[:-1], len(coded.dictionary) - 1
            if coded.indices[-1].as_py() == words and not np.any(kept.to_numpy() == words):
                known = pa.DictionaryArray.from_arrays(kept, coded.dictionary[:-1], safe=False)
                columns[place] = pa.chunked_array([known])
    return pa.Table.from_arrays(columns, names=table.column_names)


def check_rejects(name: str, found: int) -> None:
    """UntrustedFile when there are too many bad lines to set aside one by one."""
    if found > MAX_REJECTS:
        refuse(name, f"more than {MAX_REJECTS} of its lines are bad; it is no day file")
