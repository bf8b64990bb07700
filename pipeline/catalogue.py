"""The catalogue: which archived file is which, so that the ledger can be rebuilt from the archive alone.

A file of JSON lines per account beside the archived files, only ever appended to.  A line tells a file that is about to be
archived or needed no more, a load that was recorded, a file that was rewritten because a person was forgotten, until when
files were let go, or which of the platform's groups is which: titles do not tell that.  It holds no personal data.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from pipeline.contact import KnownGroup
from pipeline.errors import StateError
from pipeline.store.ledger import Slot
from pipeline.store.recordings import RecordedFile, Recording

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Listing:
    """What a catalogue says: every recording in order, as its files are archived now.

    `fresh` are the rewritten files after which nothing was recorded, old digest and new; `kept_since`: files of older
    days were let go; `groups`: those of the platform that Placier looks after; `loose`: the files that were archived and
    are in no recording (refused, held, or their run was killed), with the day on which they came.
    """

    recordings: tuple[Recording, ...] = ()
    fresh: tuple[tuple[str, str], ...] = ()
    kept_since: date = date.min
    groups: Mapping[str, KnownGroup] = field(default_factory=dict)
    loose: Mapping[str, date] = field(default_factory=dict)

    def current(self) -> dict[Slot, Recording]:
        """The newest recording of each slot, in the order in which they were recorded."""
        newest = {recording.slot: number for number, recording in enumerate(self.recordings)}
        return {self.recordings[number].slot: self.recordings[number] for number in sorted(newest.values())}

    def history(self) -> list[Recording]:
        """Every recording in order; what a restored state recorded once more counts once, as it was recorded last."""
        later: dict[Slot, tuple[str, list[str]]] = {}
        found = []
        for item in reversed(self.recordings):
            told = item.fingerprint, [file.sha256 for file in item.files]
            if later.get(item.slot) != told:
                found.append(item)
            later[item.slot] = told
        return found[::-1]

    def recorded(self) -> set[str]:
        """The digests of all files that were ever recorded."""
        return {file.sha256 for item in self.recordings for file in item.files}

    def wanted(self) -> set[str]:
        """The digests of the files that were not let go, in every version."""
        kept = (item for item in self.recordings if item.slot.business_date >= self.kept_since)
        loose = {digest for digest, day in self.loose.items() if day >= self.kept_since}
        return {file.sha256 for item in kept for file in item.files} | loose


class Catalogue:
    """One account's catalogue.  The account's lock is held by whoever writes; StateError when it cannot be used."""

    def __init__(self, folder: Path, account: str) -> None:
        self.account = account
        self._folder = folder
        self._path = folder / f"{account}.jsonl"

    def over(self, folder: Path) -> Catalogue:
        """A copy of all catalogues in `folder`, for a rehearsal."""
        folder.mkdir(mode=0o700)
        for path in self._folder.glob("*.jsonl"):
            shutil.copyfile(path, folder / path.name)
        return Catalogue(folder, self._path.stem)

    # Reading

    def read(self) -> Listing:
        """What the catalogue says; nothing if there is none."""
        return _listing(self._path)

    def wanted_elsewhere(self, digest: str) -> bool:
        """Whether another account has the same file and has not let go of it."""
        others = (path for path in self._folder.glob("*.jsonl") if path != self._path)
        return any(digest in _listing(path).wanted() for path in others)

    # Writing

    def keep_up(self, recordings: Sequence[Recording], mapping: str, groups: Iterable[KnownGroup]) -> None:
        """Append what was recorded, and the groups that came to be known, and is not listed yet."""
        listing = self.read()
        listed = {slot: _identity(item) for slot, item in listing.current().items()}
        fresh = [_line(item, mapping) for item in recordings if listed.get(item.slot) != _identity(item)]
        fresh += [asdict(group) for group in groups if listing.groups.get(group.group_key) != group]
        self._append(fresh)

    def note(self, digest: str, on: date) -> None:
        """A file is about to be archived, on the day `on`; nothing if it is listed already."""
        listing = self.read()
        if digest not in listing.loose and digest not in listing.recorded():
            self._append([{"kept": digest, "on": on.isoformat()}])

    def drop(self, digest: str) -> None:
        """This account needs a file no more that is in none of its recordings."""
        if digest in self.read().loose:
            self._append([{"dropped": digest}])

    def rewrite(self, old: str, new: str) -> None:
        """An archived file was rewritten: a person was forgotten."""
        self._append([{"rewritten": old, "now": new}])

    def measure(self, start: date) -> tuple[int, int]:
        """How many files are older than the day `start` and were not let go yet; how many were not let go at all."""
        listing = self.read()
        kept = listing.wanted()
        return len(kept - replace(listing, kept_since=max(start, listing.kept_since)).wanted()), len(kept)

    def let_go(self, start: date) -> list[str]:
        """Files of days before `start` are needed no more; gives the digests that no account wants."""
        listing = self.read()
        days = [*(item.slot.business_date for item in listing.recordings), *listing.loose.values()]
        if any(listing.kept_since <= day < start for day in days):
            self._append([{"kept_since": start.isoformat()}])
        kept = replace(listing, kept_since=max(start, listing.kept_since)).wanted()
        for path in self._folder.glob("*.jsonl"):
            if path != self._path:
                kept |= _listing(path).wanted()
        return sorted((listing.recorded() | listing.loose.keys()) - kept)

    def _append(self, lines: Iterable[Line]) -> None:
        text = "".join(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n" for line in lines)
        if not text:
            return
        try:
            self._folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            with os.fdopen(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600), "r+b") as file:
                # A line that was cut off with the power is none: what it told is appended anew.
                file.seek(file.read().rfind(b"\n") + 1)
                file.truncate()
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StateError(
                f"the archive's catalogue {self._path} cannot be written ({error.strerror})",
                f"check the folder's owner and its disk: ls -ld {self._folder}; df -h {self._folder}",
            ) from error


def _listing(path: Path) -> Listing:
    try:
        text = path.read_bytes().decode() if path.exists() else ""
        return _told([json.loads(line) for line in text.split("\n")[:-1]])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StateError(
            f"the archive's catalogue {path} cannot be read ({type(error).__name__})",
            "restore it from a backup of the archive; if there is none, move it away: the next run lists the ledger anew",
        ) from error


def _told(lines: Sequence[Line]) -> Listing:
    """Read from the end, so that each recording bears the names that its files have by now."""
    recordings: list[Recording] = []
    fresh: list[tuple[str, str]] = []
    now: dict[str, str] = {}
    kept_since = date.min
    groups: dict[str, KnownGroup] = {}
    loose: dict[str, date] = {}
    dropped: set[str] = set()
    for line in reversed(lines):
        if "group_key" in line:
            groups.setdefault(line["group_key"], KnownGroup(**line))
        elif "dropped" in line:
            dropped.add(line["dropped"])
        elif "kept" in line:
            digest = now.get(str(line["kept"]), str(line["kept"]))
            if digest not in dropped:
                loose.setdefault(digest, date.fromisoformat(line["on"]))
        elif "kept_since" in line:
            kept_since = max(kept_since, date.fromisoformat(line["kept_since"]))
        elif "rewritten" in line:
            old, new = str(line["rewritten"]), str(line["now"])
            now[old] = now.get(new, new)
            if not recordings:
                fresh.append((old, new))
        else:
            recordings.append(_recording(line, now))
    found = Listing(tuple(reversed(recordings)), tuple(reversed(fresh)), kept_since, groups)
    listed = found.recorded()
    return replace(found, loose={digest: day for digest, day in loose.items() if digest not in listed})


def _identity(item: Recording) -> tuple[datetime, list[str]]:
    return item.recorded_at, [file.sha256 for file in item.files]


def _line(item: Recording, mapping: str) -> Line:
    return {
        "recorded_at": item.recorded_at.isoformat(),
        "kind": item.slot.kind,
        "business_date": item.slot.business_date.isoformat(),
        "name": item.slot.name,
        "as_of": item.as_of.isoformat(),
        "mapping": mapping,
        "fingerprint": item.fingerprint,
        "lines": item.lines,
        "files": [asdict(file) for file in item.files],
    }


def _recording(line: Line, now: Mapping[str, str]) -> Recording:
    files = [RecordedFile(**{**file, "sha256": now.get(file["sha256"], file["sha256"])}) for file in line["files"]]
    return Recording(
        Slot(line["kind"], date.fromisoformat(line["business_date"]), line["name"]),
        date.fromisoformat(line["as_of"]),
        line["fingerprint"],
        line["lines"],
        datetime.fromisoformat(line["recorded_at"]),
        tuple(files),
    )
