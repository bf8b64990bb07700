"""Recording what was brought: read, held by a guard or taken into the ledger, in one transaction a load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta

from pipeline import inbound, policy
from pipeline.errors import Held
from pipeline.inbound import Brought
from pipeline.run import FileLine, Run
from pipeline.scratch import scratch
from pipeline.setting import Setting, list_recorded
from pipeline.store.acknowledged import State
from pipeline.store.history import History, Hold
from pipeline.store.ledger import Ledger, Load, Slot


def slots(brought: Sequence[Brought], as_of: date) -> Iterator[tuple[Brought, Slot]]:
    """The slot of each file of a history; two files of one name from two folders do not replace each other."""
    names = Counter(file.name for file in brought)
    for file in brought:
        name = file.name if names[file.name] == 1 else f"{file.name} {file.sha256[:12]}"
        yield file, Slot("backfill", as_of - timedelta(days=1), name)


def read(work: Setting, told: Run, brought: Sequence[Brought], slot: Slot) -> Load:
    """Read files into one load; what was ignored and set aside is told."""
    with told.stage("read"):
        load, ignored = inbound.make_load(brought, slot, reader(work, told.as_of))
    told.ignored_columns = tuple(dict.fromkeys((*told.ignored_columns, *ignored)))
    told.rejects.extend((file.name, reject) for file in load.files for reject in file.rejects)
    return load


def take(work: Setting, told: Run, load: Load) -> None:
    """Record a load in one transaction; or hold it."""
    account, slot = work.account, load.slot
    work.progress("record", 0, 0)
    with told.stage("record"), work.database.transaction() as connection:
        ledger, history = Ledger(connection, account.name), History(connection, account.name)
        same = ledger.digests_of(slot) == {file.sha256 for file in load.files}
        days = ledger.recorded_days(slot.business_date - timedelta(days=policy.VOLUME_DAYS))
        past = [lines for day, lines in days.items() if day < slot.business_date]
        held = "" if same else inbound.guarded(load, past, account.file.guard)
        for hold in history.open_holds():
            if hold.slot() == _named(slot):
                kept = held and hold.fingerprint == load.fingerprint
                history.close_hold(hold, "open" if kept else "superseded")
        if held:
            _hold_load(told, load, held, history)
        else:
            _record(work, told, load, ledger)
    list_recorded(work)


def reader(work: Setting, as_of: date) -> inbound.Reader:
    """How the account's files are read now, for the day `as_of`."""
    with work.database.transaction() as connection:
        forgotten = State(connection, work.account.name).forgotten()
    return inbound.Reader(
        columns=inbound.load_mapping(work.account),
        zone=work.account.zone,
        as_of=as_of,
        archive=work.archive,
        forgotten=forgotten,
        desk=work.desk,
        catalogue=work.catalogue,
        engine=work.engine,
        progress=work.progress,
    )


def _record(work: Setting, told: Run, load: Load, ledger: Ledger) -> None:
    watched = load.entries.watched(lambda merged: work.progress("record", merged, load.accepted))
    recorded = ledger.record(replace(load, entries=watched), work.now())
    told.unmatched += ledger.unmatched([recorded.load_id])
    for file, version in zip(load.files, recorded.versions, strict=True):
        told.files.append(FileLine(file.name, file.sha256, file.lines, file.accepted, len(file.rejects), version))


def _hold_load(told: Run, load: Load, reason: str, history: History) -> None:
    told.files.extend(FileLine(f.name, f.sha256, f.lines, f.accepted, len(f.rejects), 0) for f in load.files)
    already = [hold for hold in history.open_holds() if hold.slot() == _named(load.slot)]
    if already:
        return
    count = (
        sum(len(file.rejects) for file in load.files) if reason == "rejects" else sum(file.lines for file in load.files)
    )
    detail = {
        "slot": list(_named(load.slot)),
        "files": [[file.role, file.name, file.sha256] for file in load.files],
        "counts": [[file.name, file.lines, len(file.rejects)] for file in load.files],
        "people": load.entries.count_people(),
    }
    history.hold(Hold(told.run_id, reason, load.slot.business_date, told.as_of, count, load.fingerprint, detail))


def approve_load(work: Setting, told: Run, hold: Hold) -> None:
    """Record what was held, as it was held, and hold it no more.

    Held if the archive's files, the mapping or the rules say something else now.
    """
    slot = _slot(hold)
    files = hold.files()
    with scratch(work.desk) as folder, told.stage("read"):
        brought = inbound.from_archive(files, work.archive, folder)
        load, _ = inbound.make_load(brought, slot, reader(work, hold.as_of))
    if load.fingerprint != hold.fingerprint:
        raise changed(work, hold)
    with told.stage("record"), work.database.transaction() as connection:
        _record(work, told, load, Ledger(connection, work.account.name))
        History(connection, work.account.name).close_hold(hold, "approved")
    list_recorded(work)


def changed(work: Setting, hold: Hold) -> Held:
    """What to say when a hold is no longer what it was."""
    name = work.account.name
    anew = hold.state == "open" and hold.slot()[0] == "day"  # its file has changed, in the archive
    return Held(
        f"{name}: the plan has changed since the run {hold.run_id} held it",
        f"`placier run {name} --date {hold.date}` holds it as it is now"
        if anew
        else f"`placier status {name}` shows what is held now; approve that run",
    )


def _named(slot: Slot) -> tuple[str, str, str]:
    return slot.kind, slot.business_date.isoformat(), slot.name


def _slot(hold: Hold) -> Slot:
    kind, day, name = hold.slot()
    return Slot(kind, date.fromisoformat(day), name)
