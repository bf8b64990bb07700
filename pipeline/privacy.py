"""Law 25: all that is held on a person, and erasing it for good (Quebec, P-39.1, sections 27 and 28.1)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

from pipeline import answers
from pipeline.archive import raw_text
from pipeline.contact import Stamp
from pipeline.content import open_file
from pipeline.errors import StateError, UntrustedFile
from pipeline.guard import fingerprint
from pipeline.records import delimiter_of, split
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
        held = ledger.bookings_of(email), [act for act in ledger.cancellations_for(email) if act["email"] == email]
        member = state.members([email]).get(email)
        acts = answers.acts(connection, setting.account, email, date.max)
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
            "acts": acts,
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
            erased = {**eraser.erase(email, names), **state.forget(email, on, Stamp("forget", setting.now()))}
            erased["pages"], days = Pages(connection, account).forget(email, work.now())
            erased["held_operations"] = _release(History(connection, account), email)
            digests = eraser.digests() | _held_files(History(connection, account))
        erased["archived_lines"] = sum(_strike(work, digest, names) for digest in sorted(digests))
        loose = work.catalogue.read().loose.keys() - digests
        erased["archived_files"] = sum(_delete(work, digest, names) for digest in sorted(loose))
        shelf.rewrite(work, days)
    return {"email": email, "erased": erased}


def _strike(work: Setting, digest: str, names: Callable[[str], bool]) -> int:
    """Blank the lines of an archived file that name the person; returns how many there were."""
    struck: list[tuple[int, int]] = []

    def places(path: Path) -> list[tuple[int, int]]:
        struck.extend(_told_in(path, names))
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
    """Take the person out of what is held."""
    gone = 0
    for hold in history.open_holds():
        pairs = [pair for pair in hold.pairs() if pair[0] != email]
        if len(pairs) != len(hold.pairs()):
            gone += len(hold.pairs()) - len(pairs)
            history.rewrite(hold, {"leaves": [list(pair) for pair in pairs]}, (len(pairs), fingerprint(pairs)))
    return gone


def _held_files(history: History) -> set[str]:
    return {file[2] for hold in history.open_holds() for file in hold.files()}
