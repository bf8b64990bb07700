"""Lines on their way to the merge: in memory while they are few, else on disk, in parts that are merged one at a time.

A part holds all lines of its transactions, in the order in which they came.  Texts of few distinct values travel as
numbers, and the words themselves stay in memory once: Arrow's files would repeat them in every batch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.schema import LINES

PARTS = 16
"""How many parts there are at least."""
ROOM = 150_000
"""Lines of a part, about, of which there are as many as it takes: a part is merged in memory."""
HANDFUL = 200_000
"""Lines that are gathered before they are laid out in parts, and that are few enough to stay in memory."""
WORDS = "words.arrow"
"""The file of the words beside the files of the parts."""
_TAIL = 12
"""Bytes at the end of a transaction's id that tell its part."""

Integers = npt.NDArray[np.int64]
Column: TypeAlias = "pa.Array[Any]"
Coded: TypeAlias = "pa.DictionaryArray[Any, Any]"


def column_of(numbers: npt.NDArray[np.signedinteger[Any]], *, filled: bool = True) -> pa.Int64Array:
    """Numbers as a column; negative ones are null unless all are `filled`."""
    return cast("pa.Int64Array", pa.array(numbers) if filled else pa.array(numbers, mask=numbers < 0))


def whole(column: pa.ChunkedArray[Any] | Column) -> Column:
    """A column in one piece."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    if column.num_chunks == 1:
        return cast(Column, column.chunk(0))
    pieces: Any = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    return cast(Column, pieces)


class Spill:
    """The lines of one load: up to `handful` stay in memory, up to `gathered` go to one file, more to the files of parts.

    The files are in a folder of their own below `desk`, which whoever made the desk clears away.
    """

    def __init__(self, desk: Path, handful: int = HANDFUL, gathered: int = HANDFUL, room: int = ROOM) -> None:
        self.desk = desk
        self._expected = 0
        self._gathered = gathered
        self._room = room
        self._folder: Path | None = None
        self._handful = handful
        self._parts = 0
        self._words = {field.name: _Words() for field in LINES if pa.types.is_dictionary(field.type)}
        self._waiting: list[pa.Table] = []
        self._rows = 0
        self._writers: list[pa.ipc.RecordBatchStreamWriter] = []
        self._single: Path | None = None

    def expect(self, lines: int) -> None:
        """About so many lines come: as many parts are made as they need, once the first of them are laid out."""
        self._expected = max(self._expected, lines)

    def add(self, lines: pa.Table, file: int) -> None:
        """Take lines (of the schema `LINES`) of the load's file number `file`."""
        coded = [
            self._words[name].codes(column) if name in self._words else column
            for name, column in zip(lines.column_names, lines.columns, strict=True)
        ]
        numbers = pa.array(np.full(lines.num_rows, file, dtype=np.int32))
        self._waiting.append(pa.table([*coded, numbers], names=[*lines.column_names, "file"]))
        self._rows += lines.num_rows
        if self._rows > self._gathered:
            self._lay_out()

    def close(self) -> None:
        """Nothing more comes: what is on disk is complete; few lines stay in memory, unless they may not."""
        if self._parts:
            self._lay_out()
            for writer in self._writers:
                writer.close()
            self._writers = []  # which hold their files open
        elif self._rows > self._handful:
            self._single = self._path(0)
            with pa.OSFile(str(self._single), "wb") as sink, pa.ipc.new_stream(sink, self._waiting[0].schema) as writer:
                for table in self._waiting:
                    writer.write_table(table)
            self._waiting = []

    def parts(self) -> Iterator[pa.Table]:
        """The parts, each with the columns of `LINES` and `file`; as often as wanted."""
        if self._parts:
            paths = self._paths()
        elif self._single is not None:
            paths = [self._single]
        else:
            if self._waiting:
                yield self._spelled(pa.concat_tables(self._waiting))
            return
        for path in paths:
            with pa.OSFile(str(path), "rb") as source, pa.ipc.open_stream(source) as stream:
                table = stream.read_all()
            if table.num_rows:
                yield self._spelled(table)

    def laid_out(self) -> list[Path]:
        """The files of the parts once all lines came, the words beside them (see `read_part`); none when there are no parts."""
        if not self._parts:
            return []
        path = self._path(0).with_name(WORDS)
        listed = [list(words.known) for words in self._words.values()]
        table = pa.table({"column": list(self._words), "words": pa.array(listed, pa.list_(pa.string()))})
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return self._paths()

    def _lay_out(self) -> None:
        """Write what waits to the files of its parts."""
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting)
        self._waiting, self._rows = [], 0
        if not self._parts:
            self._parts = max(PARTS, self._expected // self._room + 1)
            self._writers = [pa.ipc.new_stream(str(path), table.schema) for path in self._paths()]
        numbers = _parts(whole(table.column("transaction_id")), self._parts)
        laid_out = table.take(column_of(np.argsort(numbers, kind="stable")))
        start = 0
        for writer, count in zip(self._writers, np.bincount(numbers, minlength=self._parts).tolist(), strict=True):
            if count:
                writer.write_table(laid_out.slice(start, count))
            start += count

    def _paths(self) -> list[Path]:
        return [self._path(number) for number in range(self._parts)]

    def _path(self, number: int) -> Path:
        self._folder = self._folder or Path(tempfile.mkdtemp(dir=self.desk))
        return self._folder / part_name(number)

    def _spelled(self, table: pa.Table) -> pa.Table:
        """The table with its words in place of their numbers (as a dictionary still), each column in one piece."""
        return _spelled(table, {name: words.spelling() for name, words in self._words.items()})


def part_name(number: int) -> str:
    """The file of a part."""
    return f"part-{number}.arrow"


def read_part(part: Any, words: Any) -> pa.Table:
    """A part by itself, from its file and the file of the words, both open for reading."""
    with pa.ipc.open_stream(words) as stream:
        listed = stream.read_all().to_pydict()
    spellings = {
        name: pa.array(known, pa.string()) for name, known in zip(listed["column"], listed["words"], strict=True)
    }
    with pa.ipc.open_stream(part) as stream:
        return _spelled(stream.read_all(), spellings)


def _spelled(table: pa.Table, words: Mapping[str, Column]) -> pa.Table:
    """The table with `words` in place of their numbers (as a dictionary still), each column in one piece."""
    columns: list[Column] = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        one = whole(column)
        columns.append(pa.DictionaryArray.from_arrays(one, words[name]) if name in words else one)
    return pa.table(columns, names=table.column_names)


class _Words:
    """The distinct values of one column, numbered as they come."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def codes(self, column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
        """The numbers of a dictionary-encoded column's values."""
        chunks: list[Column] = []
        for chunk in cast("list[Coded]", column.chunks):
            known = self.known
            ours = [known.setdefault(str(word), len(known)) for word in chunk.dictionary.to_pylist()]
            if not ours:
                chunks.append(pa.nulls(len(chunk), pa.int32()))
                continue
            chunks.append(column_of(np.array(ours, dtype=np.int32)).take(chunk.indices))
        return pa.chunked_array(chunks, pa.int32())

    def spelling(self) -> Column:
        """The values by their numbers."""
        return pa.array(list(self.known), pa.string())


def _parts(ids: Column, parts: int) -> npt.NDArray[np.uint16]:
    """The part, of so many, of each transaction: a sum over the last bytes of its id, mixed."""
    _, starts, texts = ids.buffers()
    every = np.frombuffer(cast("bytes", starts), dtype=np.int32)
    offsets = every[ids.offset : ids.offset + len(ids) + 1].astype(np.int64)
    data = np.frombuffer(cast("bytes", texts) or b"\0", dtype=np.uint8)
    mixed = (offsets[1:] - offsets[:-1]).astype(np.uint64)
    for place in range(1, _TAIL + 1):
        there = offsets[1:] - place >= offsets[:-1]
        byte = data[np.maximum(offsets[1:] - place, 0)].astype(np.uint64)
        mixed = mixed * np.uint64(0x100000001B3) + np.where(there, byte, np.uint64(0))
    mixed ^= mixed >> np.uint64(29)
    mixed = mixed * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(32)
    numbers: npt.NDArray[np.uint16] = (mixed * np.uint64(parts) >> np.uint64(32)).astype(np.uint16)
    return numbers
