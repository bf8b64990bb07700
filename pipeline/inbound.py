"""The inbound half: files -> archive -> lines -> bookings; it ends in one load, ready to be recorded in one commit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import mapping as mappings
from pipeline import policy
from pipeline.archive import Archive
from pipeline.catalogue import Catalogue
from pipeline.config import Account, Guard
from pipeline.dispatch import Progress
from pipeline.engines import Engine
from pipeline.engines.local import LOCAL
from pipeline.errors import MissingFile, UsageError
from pipeline.forgotten import Forgotten
from pipeline.mapping import Mapping as ColumnMapping
from pipeline.read import scan, verify_declared
from pipeline.records import spans
from pipeline.schema import Reading
from pipeline.sources import Source
from pipeline.sources.names import SIDE_SUFFIXES, matching, side_files, tellable
from pipeline.spill import HANDFUL, Spill
from pipeline.store.ledger import FileRecord, Load, Slot

LEDGER_FORMAT = 1
"""Part of every load's fingerprint: raise it when the same lines give other ledger rows."""


@dataclass(frozen=True, slots=True)
class Brought:
    """A file at hand and archived: what it is, its base name, where its bytes are, their digest.

    `known`: it was read before, and trusted; lines of it may have been struck out since.
    """

    role: str
    name: str
    path: Path
    sha256: str
    known: bool = False


def find_day(source: Source, account: Account, day: date) -> dict[str, str]:
    """Role -> name of the day's files; MissingFile if one of them is not there (half a day is not a day)."""
    names = source.names()
    found: dict[str, str] = {}
    missing: list[str] = []
    for role, pattern in account.file.source.patterns().items():
        wanted = account.file_name(pattern, day)
        matches = matching(names, wanted)
        if matches:
            found[role] = matches[0]
        else:
            missing.append(wanted)
    if missing:
        raise MissingFile(
            f"{account.name}: {' and '.join(missing)} not found for {day}",
            f"ask the box office to drop it, then `placier run {account.name} --date {day}`",
        )
    return found


def fetch(source: Source, found: Mapping[str, str], folder: Path, archive: Archive) -> list[Brought]:
    """Bring files home and archive them; what their side files declare (checksum, count) is held against them."""
    names = source.names()
    brought = []
    for role, name in found.items():
        file = source.fetch(name, folder)
        sides = {side: source.fetch(side, folder).path for side in side_files(names, name)}
        digest = archive.keep(file.path)
        verify_declared(file.path, sides)
        brought.append(Brought(role, name, file.path, digest))
    return brought


def at_hand(files: Iterable[tuple[str, Path]], archive: Archive) -> list[Brought]:
    """Files given on the command line, as (role, path): archived like any other."""
    brought = []
    for role, path in files:
        if not path.is_file():
            raise UsageError(f"there is no file {path}", f"see what is there: ls -l {path.absolute().parent}")
        if not tellable(path.name):
            raise UsageError("the name of a file holds control characters, or bytes that are not UTF-8", "rename it")
        digest = archive.keep(path)
        verify_declared(path, beside(path))
        brought.append(Brought(role, path.name, path, digest))
    return brought


def beside(path: Path) -> dict[str, Path]:
    """The files beside a file that declare something about it, by name."""
    sides = (Path(f"{path}{suffix}") for suffix in SIDE_SUFFIXES)
    return {side.name: side for side in sides if side.is_file()}


def from_archive(files: Iterable[tuple[str, str, str]], archive: Archive, folder: Path) -> list[Brought]:
    """Archived files, as (role, name, digest)."""
    return [
        Brought(role, name, archive.bring(digest, folder / digest[:12] / name), digest, known=True)
        for role, name, digest in files
    ]


def role_of(account: Account, path: Path, day: date) -> str:
    """The role of a file given for this day: by its name, else by what its lines are; UsageError if neither tells."""
    patterns = account.file.source.patterns()
    for role, pattern in patterns.items():
        if matching([path.name], account.file_name(pattern, day)):
            return role
    if len(patterns) == 1:
        return next(iter(patterns))
    if path.is_file():
        operations = scan(path, load_mapping(account), account.zone, date.max, lambda block: None).operations
        if len(operations) == 1:
            return f"{next(iter(operations))}s"
    wanted = " or ".join(account.file_name(pattern, day) for pattern in patterns.values())
    raise UsageError(
        f"neither the name of {path.name} nor its lines tell which file of {day} it is", f"name it {wanted}"
    )


def load_mapping(account: Account) -> ColumnMapping:
    """The account's mapping."""
    try:
        return mappings.load(mappings.find(account.file.mapping, account.config_dir))
    except UsageError as error:
        where = account.config_dir / "accounts" / f"{account.name}.toml"
        raise UsageError(f"{where}: mapping: {error.message}", error.remedy) from error


@dataclass(frozen=True, slots=True)
class Reader:
    """How an account's files are read: mapping, time zone, as-of day, who was forgotten; `desk` is for rewriting a copy."""

    columns: ColumnMapping
    zone: ZoneInfo
    as_of: date
    archive: Archive
    forgotten: Forgotten
    desk: Path
    catalogue: Catalogue
    engine: Engine = LOCAL
    progress: Progress = field(default=lambda stage, done, total: None)


def make_load(
    brought: Sequence[Brought], slot: Slot, reader: Reader, handful: int = HANDFUL
) -> tuple[Load, tuple[str, ...]]:
    """Read files into one load; also the columns that were ignored.  Up to `handful` lines stay in memory.

    UntrustedFile, with nothing taken, if any of the files cannot be trusted as a whole.
    """
    day = slot.business_date if slot.kind == "day" else None
    lines = Spill(reader.desk, handful)
    records = []
    ignored: dict[str, None] = {}

    def take(block: pa.Table, number: int, sieve: Sieve) -> None:
        lines.add(sieve.sift(block), number)

    def progress(done: int, total: int) -> None:
        lines.expect(total)
        reader.progress("read", done, total)

    reader.progress("read", 0, 0)
    for number, file in enumerate(brought):
        sieve = Sieve(reader.forgotten)
        told = scan(
            file.path,
            reader.columns,
            reader.zone,
            reader.as_of,
            partial(take, number=number, sieve=sieve),
            role=file.role,
            business_date=None if file.known else day,
            progress=progress,
        )
        reading, sha256 = _without_forgotten(file, told, sieve.struck, reader)
        ignored |= dict.fromkeys(reading.ignored_columns)
        records.append(FileRecord(file.role, file.name, sha256, reading.total, reading.accepted, reading.rejects))
    lines.close()
    told_apart = [[record.role, record.sha256, record.accepted] for record in records]
    identity = [LEDGER_FORMAT, reader.columns.fingerprint, reader.zone.key, told_apart]
    fingerprint = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
    return Load(
        slot, reader.as_of, fingerprint, tuple(records), reader.engine.entries(lines, reader.catalogue.account)
    ), tuple(ignored)


class Sieve:
    """Takes out of lines what forgotten people did until that day, and what was cancelled of it; knows which lines those were."""

    def __init__(self, forgotten: Forgotten) -> None:
        self._forgotten = forgotten
        self.struck: set[int] = set()

    def watch(self, lines: pa.Table) -> None:
        """Look at lines that are not taken."""
        self.sift(lines)

    def sift(self, lines: pa.Table) -> pa.Table:
        """The lines that stay."""
        if not self._forgotten.days:
            return lines
        cancelled = lines.filter(pc.equal(lines.column("operation").cast(pa.string()), pa.scalar("cancellation")))
        number = "transaction_id"
        dropped = {
            *_until(lines, "email", self._forgotten.among(_texts(lines, "email"))),
            *_until(cancelled, number, self._forgotten.transactions(_texts(cancelled, number))),
        }
        if not dropped:
            return lines
        self.struck |= dropped
        return lines.filter(pa.array([line not in dropped for line in lines.column("line").to_pylist()], pa.bool_()))


def _texts(lines: pa.Table, name: str) -> list[str]:
    return [str(text) for text in lines.column(name).unique().to_pylist() if text]


def _until(lines: pa.Table, name: str, days: Mapping[str, date]) -> Iterator[int]:
    """The numbers of the lines whose text in this column has a day, and that tell of that day or an earlier one."""
    if days:
        columns = (lines.column(column).to_pylist() for column in ("line", name, "transaction_on"))
        for line, text, day in zip(*columns, strict=True):
            if text in days and str(day) <= str(days[str(text)]):
                yield int(str(line))


def _without_forgotten(file: Brought, reading: Reading, struck: set[int], reader: Reader) -> tuple[Reading, str]:
    """Leave out what forgotten people did until that day (`struck`, by line): of what was set aside, and of the archived copy."""
    aside = {reject.line for reject in reading.rejects if reader.forgotten.told_in(reject.text)}
    accepted, struck = reading.accepted - len(struck), struck | aside
    if not struck:
        return reading, file.sha256
    sha256 = reader.archive.strike(file.sha256, lambda path: spans(path, reading.delimiter, struck), reader.desk)
    if not reader.catalogue.wanted_elsewhere(file.sha256):
        reader.archive.remove(file.sha256)
    reader.catalogue.drop(file.sha256)
    rejects = tuple(reject for reject in reading.rejects if reject.line not in struck)
    return replace(reading, accepted=accepted, rejects=rejects, total=reading.total - len(struck)), sha256


def guarded(load: Load, history: Sequence[int], guard: Guard) -> str:
    """Why the load must be held before it is recorded: `rejects`, `volume`, or "" when it may pass."""
    if any(policy.too_many_rejects(len(file.rejects), file.lines, guard.max_reject_ratio) for file in load.files):
        return "rejects"
    lines = sum(file.lines for file in load.files)
    if load.slot.kind == "day" and policy.too_many_lines(lines, history, guard.max_volume_ratio):
        return "volume"
    return ""
