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
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import BinaryIO, Literal, cast, get_args
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv

from pipeline import parse, records
from pipeline.content import MAX_LINE, Content, open_file, pieces, refuse
from pipeline.errors import UntrustedFile
from pipeline.layout import Layout, find_layout
from pipeline.mapping import Mapping, TextField, normalise
from pipeline.parse import Flags, Moments, Texts
from pipeline.records import Records
from pipeline.schema import INSTANT, LINES, REJECT_REASONS, Reading, Reject, WholeReading

SetAside = Callable[[pv.InvalidRow], Literal["skip", "error"]]

MAX_REJECTS = 5_000_000
"""Bad lines that are set aside one by one; a file with more of them is no day file."""
_BLOCK = 16 * MAX_LINE
_SIDE_FILE = 65536
_EPOCH = date(1970, 1, 1)
_TEXTS: tuple[str, ...] = get_args(TextField)
_OPERATIONS = ("purchase", "cancellation", "ignore")
_SIDE_FILES = {".sha256": "sha256", ".md5": "md5", ".count": "count", ".lignes": "count"}
_BAD_COLUMNS = REJECT_REASONS.index("bad_columns")


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows with the right number of values: each one's place among the records, and its texts by field."""

    places: npt.NDArray[np.int64]
    table: pa.Table

    def text(self, field: str) -> Texts:
        """A column as it was written; all null when the file does not have it."""
        if field not in self.table.column_names:
            return pa.nulls(len(self.places), pa.string())
        return cast(Texts, self.table.column(field).combine_chunks())


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
) -> Reading:
    """Read the file `path`, whose role (purchases, cancellations, transactions, backfill) may fix its operation.

    `take` gets the accepted lines block by block in the order of the file, each a table of the schema `LINES` with
    dictionaries of its own.  UntrustedFile when the file cannot be trusted as a whole: a required column missing,
    undecodable, truncated, empty, or with lines but none of `business_date` (not asked of a mapping for snapshots).  It may
    come after blocks were taken, which then count for nothing.
    """
    content = open_file(path)
    layout = find_layout(content, mapping, role)
    found = records.split(content, layout.delimiter)
    rows, ragged = _rows(content, layout, found)
    lines, reasons = _judge(rows, mapping, zone, as_of, layout)
    if business_date is not None and not mapping.snapshot:
        _check_date(content.name, lines, business_date)
    _check_rejects(content.name, len(ragged) + int(np.count_nonzero(reasons >= 0)))
    lines = lines.append_column("line", pa.array(found.lines[rows.places])).select(LINES.names)
    rejects = [
        *(Reject(int(found.lines[place]), "bad_columns", found.text(place)) for place in ragged),
        *_rejects(rows, reasons, found),
    ]
    accepted = lines.filter(pa.array(reasons == _ACCEPTED))
    encoded = [
        accepted.column(field.name).dictionary_encode()
        if pa.types.is_dictionary(field.type)
        else accepted.column(field.name)
        for field in LINES
    ]
    accepted = pa.Table.from_arrays(encoded, names=LINES.names).cast(LINES)
    if accepted.num_rows:
        take(accepted)
    return Reading(
        accepted=accepted.num_rows,
        operations=frozenset(str(one) for one in accepted.column("operation").unique().to_pylist()),
        rejects=tuple(sorted(rejects, key=lambda reject: reject.line)),
        total=accepted.num_rows + len(rejects),
        encoding=content.encoding,
        delimiter=layout.delimiter,
        ignored_columns=layout.ignored,
    )


def verify_declared(path: Path, sidecars: Sidecars[str, Path]) -> None:
    """Hold a file against what was declared beside it; UntrustedFile on a mismatch.

    `sidecars` maps the names of the side files that came with it to their local paths: `NAME.sha256` and `NAME.md5` (as
    sha256sum writes them, or the bare digest; of the file as sent or of its unpacked content), `NAME.count` and
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


# The rows


def _rows(content: Content, layout: Layout, found: Records) -> tuple[Rows, list[int]]:
    """All rows as columns of texts, and the places of the records with too many or too few values."""
    ragged: dict[int, int] = {}

    def set_aside(row: pv.InvalidRow) -> Literal["skip", "error"]:
        ragged[row.number or 0] = row.actual_columns
        return "skip" if len(ragged) <= MAX_REJECTS else "error"

    try:
        table = _table(content, layout, found, set_aside)
    except UntrustedFile:
        _check_rejects(content.name, len(ragged))
        raise
    blank = [place for place in ragged if not found.text(place).strip()]
    regular = np.ones(len(found.starts), dtype=np.bool_)
    regular[[0, *ragged]] = False
    places = np.flatnonzero(regular)
    if len(places) != table.num_rows:
        refuse(
            content.name,
            f"the rows cannot be told apart: {len(places)} by their line ends, {table.num_rows} by their values",
        )
    kept = sorted(set(ragged) - set(blank))
    last = int(places[-1]) if len(places) else 0
    if kept and kept[-1] > last and ragged[kept[-1]] < len(layout.names):
        line = int(found.lines[kept[-1]])
        refuse(
            content.name,
            f"the file is truncated: the last line, {line}, has {ragged[kept[-1]]} values, the header {len(layout.names)}",
        )
    return Rows(places, table), kept


def _table(content: Content, layout: Layout, found: Records, set_aside: SetAside) -> pa.Table:
    """The columns that the mapping knows, as texts, named by field."""
    wanted = dict(layout.places)
    if layout.operation is not None:
        wanted["operation"] = layout.operation
    names = [f"c{place}" for place in range(len(layout.names))]
    chosen = sorted({names[place] for place in wanted.values()})
    if len(found.starts) < 2:
        return pa.table({field: pa.array([], pa.string()) for field in wanted})
    try:
        table = pv.read_csv(
            cast(BinaryIO, pa.BufferReader(pa.py_buffer(content.data).slice(found.body))),
            read_options=pv.ReadOptions(use_threads=False, column_names=names, block_size=_BLOCK),
            parse_options=pv.ParseOptions(
                delimiter=layout.delimiter, newlines_in_values=found.quoted, invalid_row_handler=set_aside
            ),
            convert_options=pv.ConvertOptions(
                column_types={name: pa.string() for name in chosen},
                include_columns=chosen,
                strings_can_be_null=False,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowException as error:
        refuse(content.name, f"the rows cannot be told apart ({type(error).__name__})")
    return pa.Table.from_arrays([table.column(names[place]) for place in wanted.values()], names=list(wanted))


# The values

_ACCEPTED = -1
_IGNORED = -2


def _judge(
    rows: Rows, mapping: Mapping, zone: ZoneInfo, as_of: date, layout: Layout
) -> tuple[pa.Table, npt.NDArray[np.int8]]:
    """Every row's values, and per row `_ACCEPTED`, `_IGNORED` or the first of `REJECT_REASONS` that holds."""
    operations = _operations(rows, mapping, layout)
    cancelled = operations == _OPERATIONS.index("cancellation")
    times = _Times.read(rows, mapping, zone)
    emails = parse.emails(rows.text("email"))
    tickets = _tickets(rows, mapping)
    cents = _cents(rows, mapping, tickets)
    transaction_ids = parse.ids(rows.text("transaction_id"))
    bad: dict[str, Flags] = {
        "no_email": ~emails.filled & ~cancelled,
        "bad_email": emails.filled & ~emails.valid & ~cancelled,
        "bad_date": ~times.transaction.valid | times.unreadable | (~times.start.filled & ~cancelled),
        "bad_amount": ~cents.valid & ~cancelled,
        "bad_count": ~tickets.valid,
        "bad_operation": operations < 0,
        "no_transaction": np.array(transaction_ids.is_null(), dtype=np.bool_),
        "future_date": times.transaction.valid & (times.transaction.days > (as_of - _EPOCH).days),
    }
    reasons = np.full(len(rows.places), _ACCEPTED, dtype=np.int8)
    for reason in reversed(list(bad)):
        reasons[bad[reason]] = REJECT_REASONS.index(reason)
    reasons[operations == _OPERATIONS.index("ignore")] = _IGNORED
    texts = {field: parse.texts(rows.text(field), apostrophe=field in mapping.strip_apostrophe) for field in _TEXTS}
    texts["contact_id"] = parse.ids(texts["contact_id"])
    known = pa.array(_OPERATIONS, pa.string())
    return pa.table(
        {
            "operation": known.take(pa.array(np.maximum(operations, 0), pa.int8())),
            "transaction_id": transaction_ids,
            "email": emails.values,
            **times.columns(),
            **texts,
            "tickets": pa.array(tickets.values),
            "net_cents": pa.array(np.where(cancelled, 0, cents.values)),
        }
    ), reasons


def _operations(rows: Rows, mapping: Mapping, layout: Layout) -> npt.NDArray[np.int8]:
    """Per row the place of its operation in `_OPERATIONS`; -1 for a word that the mapping does not know."""
    if layout.fixed is not None:
        return np.full(len(rows.places), _OPERATIONS.index(layout.fixed), dtype=np.int8)
    words, places = parse.encoded(rows.text("operation"))
    vocabulary = mapping.operation.vocabulary()
    meant = [vocabulary.get(normalise(word or "")) for word in words.to_pylist()]
    codes = np.array([_OPERATIONS.index(kind) if kind else -1 for kind in meant], dtype=np.int8)
    return codes[places]


def _tickets(rows: Rows, mapping: Mapping) -> parse.Numbers:
    if mapping.one_ticket_per_line:
        size = len(rows.places)
        return parse.Numbers(np.ones(size, dtype=np.int64), np.ones(size, dtype=np.bool_))
    return parse.counts(rows.text("tickets"))


def _cents(rows: Rows, mapping: Mapping, tickets: parse.Numbers) -> parse.Numbers:
    """The line's total, in cents: as written, or the price of one ticket times their number."""
    if mapping.columns.net_amount:
        return parse.amounts(rows.text("net_amount"), mapping.decimal)
    price = parse.amounts(rows.text("unit_price"), mapping.decimal)
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
    def read(cls, rows: Rows, mapping: Mapping, zone: ZoneInfo) -> _Times:
        def moments(day: str, time: str = "") -> Moments:
            column = rows.text(day)
            if time in rows.table.column_names:
                column = parse.joined(column, rows.text(time))
            return parse.moments(column, mapping.dates, zone)

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

    def columns(self) -> dict[str, Texts | pa.Date32Array | pa.TimestampArray]:
        """The date columns of `LINES`."""
        ended = np.where(self.end.valid, self.end.days, self.start.days)
        start = pc.cast(pc.cast(pa.array(self.start.local // parse.SECOND), pa.timestamp("s")), pa.string())
        return {
            "transaction_at": pc.cast(pc.cast(pa.array(self.transaction.utc), pa.timestamp("us")), INSTANT),
            "transaction_on": _days(self.transaction.days, self.transaction.valid),
            "initial_transaction_date": _days(self.initial.days, self.initial.valid),
            "client_created_on": _days(self.created.days, self.created.valid),
            "performance_start": pc.if_else(pa.array(self.start.valid), start, pa.scalar(None, pa.string())),
            "performance_end_on": _days(ended, self.end.valid | self.start.valid),
        }


def _days(days: npt.NDArray[np.int64], valid: Flags) -> pa.Date32Array:
    return cast(pa.Date32Array, pa.array(days.astype(np.int32), mask=~valid).cast(pa.date32()))


def _check_date(name: str, lines: pa.Table, business_date: date) -> None:
    """UntrustedFile when lines have dates and none is of the business date."""
    days = pc.unique(lines.column("transaction_on").drop_null())
    if len(days) and business_date not in days.to_pylist():
        first, last = pc.min(days).as_py(), pc.max(days).as_py()
        span = f"{first}" if first == last else f"{first} to {last}"
        refuse(name, f"wrong date: none of its lines is of {business_date}, they are of {span}")


def _check_rejects(name: str, found: int) -> None:
    """UntrustedFile when there are too many bad lines to set aside one by one."""
    if found > MAX_REJECTS:
        refuse(name, f"more than {MAX_REJECTS} of its lines are bad; it is no day file")


def _rejects(rows: Rows, reasons: npt.NDArray[np.int8], found: Records) -> list[Reject]:
    rejects = []
    for row in np.flatnonzero(reasons >= 0):
        place = int(rows.places[row])
        rejects.append(Reject(int(found.lines[place]), REJECT_REASONS[int(reasons[row])], found.text(place)))
    return rejects
