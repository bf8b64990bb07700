"""The inbound half: files -> archive -> lines -> bookings; it ends in one load, ready to be recorded in one commit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline import mapping as mappings
from pipeline import merge, policy
from pipeline.archive import Archive
from pipeline.config import Account, Guard
from pipeline.errors import MissingFile, UsageError
from pipeline.mapping import Mapping as ColumnMapping
from pipeline.read import read, verify_declared
from pipeline.sources import Source
from pipeline.sources.names import matching, side_files
from pipeline.store.ledger import FileRecord, Load, Slot

LEDGER_FORMAT = 1
"""Part of every load's fingerprint: raise it when the same lines give other ledger rows."""


@dataclass(frozen=True, slots=True)
class Brought:
    """A file at hand and archived: what it is, its base name, where its bytes are, their digest."""

    role: str
    name: str
    path: Path
    sha256: str


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
            raise UsageError(f"there is no file {path}", "check the path")
        sides = [Path(f"{path}{suffix}") for suffix in (".sha256", ".md5", ".count", ".lignes")]
        digest = archive.keep(path)
        verify_declared(path, {side.name: side for side in sides if side.is_file()})
        brought.append(Brought(role, path.name, path, digest))
    return brought


def from_archive(files: Iterable[tuple[str, str, str]], archive: Archive, folder: Path) -> list[Brought]:
    """Archived files, as (role, name, digest)."""
    return [
        Brought(role, name, archive.bring(digest, folder / digest[:12] / name), digest) for role, name, digest in files
    ]


def role_of(account: Account, name: str, day: date) -> str:
    """The role that a file's name has on this day; UsageError if it fits none of the patterns."""
    patterns = account.file.source.patterns()
    for role, pattern in patterns.items():
        if matching([name], account.file_name(pattern, day)):
            return role
    if len(patterns) == 1:
        return next(iter(patterns))
    wanted = " or ".join(account.file_name(pattern, day) for pattern in patterns.values())
    raise UsageError(f"{name} is not named like a file of {day}", f"name it {wanted}")


def load_mapping(account: Account) -> ColumnMapping:
    """The account's mapping."""
    return mappings.load(mappings.find(account.file.mapping, account.config_dir))


def make_load(
    brought: Sequence[Brought], slot: Slot, columns: ColumnMapping, when: tuple[ZoneInfo, date]
) -> tuple[Load, tuple[str, ...]]:
    """Read and aggregate files into one load; also the columns that were ignored.  `when`: time zone and as-of day.

    UntrustedFile, with nothing taken, if any of the files cannot be trusted as a whole.
    """
    zone, as_of = when
    expected = slot.business_date if slot.kind == "day" else None
    readings = [read(file.path, columns, zone, as_of, role=file.role, business_date=expected) for file in brought]
    entries = merge.aggregate([reading.lines for reading in readings])
    records = tuple(
        FileRecord(file.role, file.name, file.sha256, reading.total, reading.lines.num_rows, reading.rejects)
        for file, reading in zip(brought, readings, strict=True)
    )
    told = [
        LEDGER_FORMAT,
        columns.fingerprint,
        zone.key,
        [[record.role, record.sha256, record.accepted] for record in records],
    ]
    fingerprint = hashlib.sha256(json.dumps(told).encode()).hexdigest()
    ignored = tuple(dict.fromkeys(name for reading in readings for name in reading.ignored_columns))
    return Load(slot, fingerprint, records, entries.bookings, entries.cancellations), ignored


def guarded(load: Load, history: Sequence[int], guard: Guard) -> str:
    """Why the load must be held before it is recorded: `rejects`, `volume`, or "" when it may pass."""
    if any(policy.too_many_rejects(len(file.rejects), file.lines, guard.max_reject_ratio) for file in load.files):
        return "rejects"
    lines = sum(file.lines for file in load.files)
    if load.slot.kind == "day" and policy.too_many_lines(lines, history, guard.max_volume_ratio):
        return "volume"
    return ""
