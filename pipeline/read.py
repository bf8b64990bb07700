"""A day file and a mapping -> lines and rejects.

A file that cannot be trusted as a whole raises UntrustedFile; a line that cannot be read is set aside with its reason, and
the others go on.  Messages name files, lines and columns, never a value: a value may be personal.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Callable
from collections.abc import Mapping as Sidecars
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import records
from pipeline.content import open_file, pieces, refuse
from pipeline.errors import UntrustedFile
from pipeline.judge import ACCEPTED, Reasons, Rules, judge
from pipeline.layout import find_layout
from pipeline.mapping import Mapping
from pipeline.records import BLOCK, Cutter
from pipeline.rows import Ragged, RowReader, Rows, check_rejects
from pipeline.schema import LINES, REJECT_REASONS, Reading, Reject, WholeReading

_SIDE_FILE = 65536
_SIDE_FILES = {
    ".sha256": "sha256",
    ".sha256sum": "sha256",
    ".sha512": "sha512",
    ".sha1": "sha1",
    ".md5": "md5",
    ".md5sum": "md5",
    ".count": "count",
    ".lignes": "count",
}
_BAD_COLUMNS = REJECT_REASONS.index("bad_columns")


def read(
    path: Path, mapping: Mapping, zone: ZoneInfo, as_of: date, *, role: str = "", business_date: date | None = None
) -> WholeReading:
    """`scan` for a small file: its lines are gathered into one table."""
    taken: list[pa.Table] = []
    told = scan(path, mapping, zone, as_of, taken.append, role=role, business_date=business_date)
    lines = pa.concat_tables([LINES.empty_table(), *taken]).unify_dictionaries().combine_chunks()
    fields = {field.name: getattr(told, field.name) for field in dataclasses.fields(Reading)}
    return WholeReading(**fields, lines=lines)


def scan(
    path: Path,
    mapping: Mapping,
    zone: ZoneInfo,
    as_of: date,
    take: Callable[[pa.Table], None],
    *,
    role: str = "",
    business_date: date | None = None,
    block_size: int = BLOCK,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Reading:
    """Read the file `path`, whose role (purchases, cancellations, transactions, backfill) may fix its operation.

    `take` gets the accepted lines block by block in the order of the file, each a table of the schema `LINES` with
    dictionaries of its own; a block comes from about `block_size` bytes, and what is held at a time does not grow with the
    file, rejects aside.  UntrustedFile when the file cannot be trusted as a whole: a required column missing, undecodable,
    truncated, empty, or with lines but none of `business_date` (not asked of a mapping for snapshots).  It may come after
    blocks were taken, which then count for nothing.  `progress` is told of the lines read, and of how many there are about;
    first of none, before a block is taken.
    """
    content, stamp = open_file(path), _stamp(path)
    layout = find_layout(content, mapping, role)
    records.check_number(content, layout.delimiter)
    rules = Rules(mapping, zone, as_of, layout.fixed)
    cutter = Cutter(content, layout.delimiter, block_size)
    tally = _Tally(content.name, len(layout.names), None if mapping.snapshot else business_date)
    about = max(0, content.line_ends - content.line)
    progress(0, about)
    try:
        cutter.skip_header()
        for rows in RowReader(content.name, layout).blocks(cutter):
            lines, reasons = judge(rows, rules)
            accepted = lines if np.all(reasons == ACCEPTED) else lines.filter(pa.array(reasons == ACCEPTED))
            tally.add(rows, lines, reasons, accepted)
            if accepted.num_rows:
                take(accepted)
            done = tally.accepted + tally.rejected
            progress(done, max(done, about))
        if _stamp(path) != stamp:
            refuse(content.name, "the file changed while it was read")
        tally.check()
    except UntrustedFile:
        for _ in cutter.rest():  # what is wrong with the records as such is told first, wherever it stands
            pass
        raise
    rejects = tally.rejects()
    return Reading(
        accepted=tally.accepted,
        operations=frozenset(tally.operations),
        rejects=rejects,
        total=tally.accepted + len(rejects),
        encoding=content.encoding,
        delimiter=layout.delimiter,
        ignored_columns=layout.ignored,
    )


def _stamp(path: Path) -> tuple[int, ...]:
    """What changes when the file does; nothing when it is gone."""
    with suppress(OSError):
        told = path.stat()
        return told.st_ino, told.st_size, told.st_mtime_ns
    return ()


def verify_declared(path: Path, sidecars: Sidecars[str, Path]) -> None:
    """Hold a file against what was declared beside it; UntrustedFile on a mismatch.

    `sidecars` maps the names of the side files that came with it to their local paths: `NAME.sha256`, `.sha512`, `.sha1`, `.md5`
    (as sha256sum writes them, or the bare digest; of the file as sent or of its unpacked content), `NAME.count` and
    `NAME.lignes` (the number of data lines).  Other names are not looked at.
    """
    for name, sidecar in sorted(sidecars.items()):
        kind = _SIDE_FILES.get(Path(name).suffix.lower())
        if kind is None:
            continue
        text = next(pieces(sidecar), b"")[:_SIDE_FILE].decode("utf-8-sig", errors="replace")
        if kind == "count":
            _verify_count(path, name, text)
        else:
            _verify_digest(path, name, text)


def _verify_count(path: Path, name: str, text: str) -> None:
    declared = re.fullmatch(r"\s*(\d{1,12})\s*", text, re.ASCII)
    if declared is None:
        refuse(path.name, f"its side file {name} does not hold a number of lines")
    lines = records.count(open_file(path))
    if lines != int(declared[1]):
        refuse(path.name, f"the file is truncated: it has {lines} data lines, {name} declares {int(declared[1])}")


def _verify_digest(path: Path, name: str, text: str) -> None:
    kind = _SIDE_FILES[Path(name).suffix.lower()]
    length = hashlib.new(kind, usedforsecurity=False).digest_size * 2
    entries = [line for line in text.splitlines() if re.search(rf"\b[0-9a-fA-F]{{{length}}}\b", line)]
    named = [line for line in entries if Path(name).stem in line]
    chosen = named if len(entries) > 1 else entries
    if not chosen:
        refuse(path.name, f"its side file {name} does not hold a {kind} digest of it")
    digest = re.search(rf"\b[0-9a-fA-F]{{{length}}}\b", chosen[0])
    declared = digest[0].lower() if digest else ""
    with path.open("rb") as file:
        sent = hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False))
    unpacked = hashlib.new(kind, usedforsecurity=False)
    for piece in pieces(path):
        unpacked.update(piece)
    if declared in {sent.hexdigest(), unpacked.hexdigest()}:
        return
    refuse(path.name, f"the file is truncated or altered: its {kind} is not the one that {name} declares")


@dataclass(slots=True)
class _Tally:
    """What the blocks of a file come to: lines accepted and set aside, and what is known of the file as a whole."""

    name: str
    width: int
    business_date: date | None
    accepted: int = 0
    operations: set[str] = field(default_factory=set)
    rejected: int = 0
    last: Ragged | None = None
    dated: bool = False
    span: tuple[date, date] | None = None
    aside: list[tuple[pa.Int64Array, pa.Int8Array, pa.StringArray]] = field(default_factory=list)

    def add(self, rows: Rows, lines: pa.Table, reasons: Reasons, accepted: pa.Table) -> None:
        """Count a block: its rows, their values and what was judged of them, the accepted lines."""
        self.accepted += accepted.num_rows
        self.operations |= {str(one) for one in pc.unique(accepted.column("operation")).to_pylist()}
        if rows.ragged and (not len(rows.places) or rows.ragged[-1].place > rows.places[-1]):
            self.last = rows.ragged[-1]
        elif len(rows.places):
            self.last = None
        if self.business_date is not None and not self.dated:
            self._see_days(pc.unique(lines.column("transaction_on").drop_null()), self.business_date)
        self._set_aside(rows, reasons)
        check_rejects(self.name, self.rejected)

    def check(self) -> None:
        """UntrustedFile when the file ends within a line, or when its lines have dates and none is of the business date."""
        if self.last is not None and self.last.values < self.width:
            refuse(
                self.name,
                f"the file is truncated: the last line, {self.last.line}, has {self.last.values} values, "
                f"the header {self.width}",
            )
        if self.span is not None and not self.dated:
            first, last = self.span
            span = f"{first}" if first == last else f"{first} to {last}"
            refuse(self.name, f"wrong date: none of its lines is of {self.business_date}, they are of {span}")

    def rejects(self) -> tuple[Reject, ...]:
        """What was set aside, by line."""
        return tuple(
            Reject(line, REJECT_REASONS[reason], text)
            for columns in self.aside
            for line, reason, text in zip(*(column.to_pylist() for column in columns), strict=True)
        )

    def _see_days(self, days: pa.ChunkedArray[Any], wanted: date) -> None:
        if not len(days):
            return
        first, last = pc.min(days).as_py(), pc.max(days).as_py()
        self.span = (first, last) if self.span is None else (min(first, self.span[0]), max(last, self.span[1]))
        self.dated = wanted in days.to_pylist()

    def _set_aside(self, rows: Rows, reasons: Reasons) -> None:
        bad = np.flatnonzero(reasons >= 0)
        if not len(bad) and not rows.ragged:
            return
        places = np.concatenate([rows.places[bad], np.array([one.place for one in rows.ragged], dtype=np.int64)])
        why = np.concatenate([reasons[bad], np.full(len(rows.ragged), _BAD_COLUMNS, dtype=np.int8)])
        order = np.argsort(places)
        found = rows.records()
        texts = [found.text(place) for place in places[order].tolist()]
        lines = pa.array(found.lines[places[order]])
        self.aside.append((lines, pa.array(why[order]), pa.array(texts, pa.string())))
        self.rejected += len(places)
