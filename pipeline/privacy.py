"""Law 25: all that is held on a person, and erasing it for good (Quebec, P-39.1, sections 27 and 28.1)."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipeline import answers
from pipeline.archive import raw_text
from pipeline.contact import Stamp
from pipeline.content import open_file
from pipeline.errors import StateError, UntrustedFile
from pipeline.guard import fingerprint
from pipeline.inbound import Reader, Sieve
from pipeline.read import scan
from pipeline.record import reader
from pipeline.records import delimiter_of, spans, split
from pipeline.report import shelf
from pipeline.setting import Setting, at_work, put_in_place
from pipeline.store.acknowledged import State
from pipeline.store.erasing import Eraser
from pipeline.store.history import History
from pipeline.store.ledger import Ledger
from pipeline.store.pages import Pages

Json = dict[str, object]


def export(setting: Setting, email: str, on: date) -> Json:
    """All that is held on a person: fields, bookings, cancellations, consent, groups, suppression, and who said so."""
    email = email.strip().lower()
    with setting.database.transaction() as connection:
        ledger, state = Ledger(connection, setting.account.name), State(connection, setting.account.name)
        answer = answers.why(connection, setting.account, email, on)
        suppression = state.suppressions().get(email)
        alone = Eraser(connection, setting.account.name).alone(email)
        acts = ledger.cancellations_for(email)
        held = (
            ledger.bookings_of(email),
            [act for act in acts if act["email"] == email or act["transaction_id"] in alone],
        )
        member = state.members([email]).get(email)
        noted = answers.acts(connection, setting.account, email, date.max)
        told = Pages(connection, setting.account.name).of(email)
    consent = {key: answer[key] for key in ("basis", "consent_date", "consent_until", "proof", "may_send")}
    return {
        "email": email,
        "contact": answer["fields"],
        "bookings": held[0],
        "cancellations": held[1],
        "consent": {
            **consent,
            "sent_on": None if member is None else member.sent_on.isoformat(),
            "acts": noted,
            "pages": [{"run_id": run_id, "what": what, "detail": dict(detail)} for run_id, what, detail in told],
        },
        "groups": answer["groups"],
        "suppression": None
        if suppression is None
        else {
            "reason": suppression.reason,
            "since": None if suppression.since is None else suppression.since.isoformat(),
            "seen_on": suppression.seen_on.isoformat(),
        },
        "sources": answer["sources"],
    }


def forget(setting: Setting, email: str, on: date) -> Json:
    """Erase a person everywhere, archived lines included; what they did through the day `on` never comes back.

    A keyed hash of the address stays, and a suppression under it alone.  The platform is left as it is.
    """
    email = email.strip().lower()
    names = _naming(email)
    account = setting.account.name
    with at_work(setting) as work:
        with work.database.transaction() as connection:
            eraser, state = Eraser(connection, account), State(connection, account)
            eraser.keep_contact_ids(email)
            alone = eraser.alone(email)
            erased = eraser.erase(email, alone, names)
            erased |= state.forget(email, alone, on, Stamp("forget", setting.now()))
            erased["pages"], days = Pages(connection, account).forget(email, work.now())
            erased["held_operations"] = _release(History(connection, account), email)
            files = eraser.files() | _held_files(History(connection, account))
        telling = _Telling(names, reader(work, date.max) if alone else None)
        erased["archived_lines"] = sum(_strike(work, digest, role, telling) for role, digest in sorted(files))
        loose = work.catalogue.read().loose.keys() - {digest for _, digest in files}
        erased["archived_files"] = sum(_delete(work, digest, names) for digest in sorted(loose))
        shelf.rewrite(work, days)
    return {"email": email, "erased": erased}


@dataclass(frozen=True, slots=True)
class _Telling:
    """Which lines are about the person: those that name the address, and what the `reader` leaves out of all that is read."""

    names: Callable[[str], bool]
    reader: Reader | None

    def places(self, path: Path, role: str) -> set[tuple[int, int]]:
        """Their byte spans in a file of this role."""
        told = set(_told_in(path, self.names))
        if self.reader is not None:
            sieve = Sieve(self.reader.forgotten)
            with suppress(UntrustedFile):  # nothing of it is in the ledger: there are no purchases that it could cancel
                read = scan(path, self.reader.columns, self.reader.zone, self.reader.as_of, sieve.watch, role=role)
                told.update(spans(path, read.delimiter, sieve.struck))
        return told


def _strike(work: Setting, digest: str, role: str, telling: _Telling) -> int:
    """Blank the lines of an archived file that are about the person; returns how many there were."""
    struck: set[tuple[int, int]] = set()

    def places(path: Path) -> set[tuple[int, int]]:
        struck.update(telling.places(path, role))
        return struck

    try:
        changed = work.archive.strike(digest, places, work.desk)
    except StateError:
        return 0  # it is no longer in the archive: there is nothing to erase
    if changed != digest:
        work.catalogue.rewrite(digest, changed)
        put_in_place(work, [(digest, changed)])
    return len(struck)


def _delete(work: Setting, digest: str, names: Callable[[str], bool]) -> int:
    """Delete a file that was archived and never recorded, if it names the person or cannot be looked into."""
    if not work.archive.holds(digest) or work.catalogue.wanted_elsewhere(digest):
        return 0
    try:
        named = bool(_told_in(work.archive.bring(digest, work.desk / digest), names))
    except (StateError, UntrustedFile):
        named = True
    if named:
        work.archive.remove(digest)
        work.catalogue.drop(digest)
    return int(named)


def _told_in(path: Path, names: Callable[[str], bool]) -> list[tuple[int, int]]:
    """The byte spans of the records that name the person; of physical lines, where the records cannot be told apart."""
    content = open_file(path)
    told: list[tuple[int, int]] = []
    try:
        for found in split(content, delimiter_of(content)):
            named = [place for place in range(len(found.starts)) if names(found.text(place))]
            told += [(found.offset + int(found.starts[at]), found.offset + int(found.ends[at])) for at in named]
    except UntrustedFile:
        lines = re.finditer(rb"[^\r\n]+", raw_text(path))
        return [line.span() for line in lines if names(line[0].decode("utf-8"))]
    return told


def _naming(email: str) -> Callable[[str], bool]:
    """Whether a text names the address, in any letter case, and not merely as a part of another one."""
    pattern = re.compile(rf"(?<![\w.+-]){re.escape(email)}(?![\w-]|\.\w)", re.IGNORECASE)
    return lambda text: pattern.search(text) is not None


def _release(history: History, email: str) -> int:
    """Take the person out of what is held, or was; gives how many operations are no longer held."""
    gone = 0
    for hold in history.all_holds():
        kept = [leave for leave in hold.leaves() if leave[0] != email]
        if len(kept) != len(hold.leaves()):
            gone += (len(hold.leaves()) - len(kept)) * (hold.state == "open")
            mark = fingerprint([(str(who), str(key)) for who, key, *_ in kept])
            history.rewrite(hold, {"leaves": kept}, (len(kept), mark))
    return gone


def _held_files(history: History) -> set[tuple[str, str]]:
    return {(role, digest) for hold in history.open_holds() for role, _, digest in hold.files()}
