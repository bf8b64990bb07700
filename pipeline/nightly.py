"""The night, as it goes: bring the day, record it, plan, push, report; and its shorter walks.

    run       for each day that is missing, oldest first, and for yesterday:   bring -> record -> send -> purge
    backfill  files of the past instead of a day:                              bring -> record -> send -> purge
    replay    a day again, from the archive, the source or a file:             bring -> record -> send -> purge
    push      what is still to be sent:                                                            send -> purge
    approve   what a guard held:                               (record what was held) -> send what was held

Each is the same subtraction, desired - acknowledged, called again.  A dry run is the same walk inside a transaction
that is rolled back, and stops before it sends.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection

from pipeline import inbound, plan, policy
from pipeline.archive import Archive
from pipeline.config import Account
from pipeline.errors import Held, MissingFile, PlacierError, UsageError, unforeseen
from pipeline.inbound import Brought
from pipeline.outbound import Outbound, Prepared, Progress
from pipeline.platforms import Platform
from pipeline.run import FileLine, Run
from pipeline.sources import Source
from pipeline.sources.names import matching
from pipeline.store.acknowledged import State
from pipeline.store.database import Database
from pipeline.store.history import History, Hold
from pipeline.store.ledger import Ledger, Load, Slot

WAIT_STEP = 60.0
"""Seconds between two looks for a late file."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a run takes place: one account, its state, its doors to the outside, and the time.

    `dry`: the run is a rehearsal.  `finished` is told of every run that ends: it logs, writes the page, raises alerts.
    """

    account: Account
    database: Database
    archive: Archive
    locks: Path
    open_source: Callable[[], Source]
    open_platform: Callable[[str], Platform]
    new_id: Callable[[], str]
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    dry: bool = False
    progress: Progress = field(default=lambda stage, done, total: None)
    finished: Callable[[Run], None] = field(default=lambda run: None)


@dataclass(frozen=True, slots=True)
class Replay:
    """How a day is replayed: from `files` given, else from the source (`refetch`), else from the archive."""

    files: tuple[Path, ...] = ()
    refetch: bool = False
    resend: bool = False


# The walks


def run(setting: Setting, day: date, as_of: date, *, alone: bool) -> list[Run]:
    """The nightly job for the business date `day`; unless `alone`, the days missed before it are done first."""
    with _at_work(setting) as work:
        with work.database.transaction() as connection:
            days = [] if alone else missed_days(work, day, connection)
        return [_day(work, each, as_of, last=each == day) for each in [*days, day]]


def backfill(setting: Setting, files: Sequence[Path], as_of: date) -> list[Run]:
    """The history: these files, or those at the source that fit the backfill pattern."""
    with _at_work(setting) as work, _running(work, "backfill", as_of - timedelta(days=1), as_of) as told:
        with tempfile.TemporaryDirectory(prefix="placier-") as folder:
            with told.stage("fetch"):
                brought = _bring_history(work, files, Path(folder))
            # All are read before the first is recorded: one that cannot be trusted leaves nothing behind.
            loads = [_read(work, told, [file], slot) for file, slot in _slots(brought, as_of)]
            for load in loads:
                _take(work, told, load)
        _send(work, told)
    return [told]


def replay(setting: Setting, day: date, how: Replay, as_of: date) -> list[Run]:
    """A day again; the same file changes nothing, `resend` pushes its contacts even if they are acknowledged."""
    with _at_work(setting) as work, _running(work, "replay", day, as_of) as told:
        with tempfile.TemporaryDirectory(prefix="placier-") as folder:
            with told.stage("fetch"):
                brought = _bring_again(work, day, how, Path(folder))
            _take(work, told, _read(work, told, brought, Slot("day", day)))
        if how.resend:
            with work.database.transaction() as connection:
                Ledger(connection, work.account.name).mark_day(day)
        _send(work, told)
    return [told]


def push(setting: Setting, as_of: date) -> list[Run]:
    """What is still to be sent, without reading a file."""
    with _at_work(setting) as work, _running(work, "push", None, as_of) as told:
        _send(work, told)
    return [told]


def approve(setting: Setting, run_id: str) -> list[Run]:
    """What a run holds, as of that run's day; Held if the plan has changed since."""
    with _at_work(setting) as work:
        with work.database.transaction() as connection:
            holds = History(connection, work.account.name).held_by(run_id)
        if not holds:
            name = work.account.name
            raise UsageError(f"{name}: the run {run_id} holds nothing", f"`placier status {name}` shows what is held")
        with _running(work, "approve", holds[0].date, holds[0].as_of) as told:
            for hold in holds:
                if hold.state == "superseded":
                    raise _changed(work, hold)
                if hold.state == "open":
                    _approve(work, told, hold)
    return [told]


def missed_days(work: Setting, day: date, connection: Connection) -> list[date]:
    """The days before `day`, within the catch-up window and since the first success, that are not recorded yet."""
    since = day - timedelta(days=work.account.file.source.catch_up_days)
    return [d for d in Ledger(connection, work.account.name).unrecorded_days(day) if d >= since]


# One day


def _day(work: Setting, day: date, as_of: date, *, last: bool) -> Run:
    with _running(work, "run", day, as_of) as told:
        with tempfile.TemporaryDirectory(prefix="placier-") as folder:
            with told.stage("fetch"):
                try:
                    brought = _bring_day(work, day, Path(folder), wait=last)
                except MissingFile:
                    if last and _pending(work):
                        _send(work, told)
                    elif last:
                        _purge(work, told.as_of)
                    raise
            _take(work, told, _read(work, told, brought, Slot("day", day)))
        _send(work, told)
    return told


def _bring_day(work: Setting, day: date, folder: Path, *, wait: bool) -> list[Brought]:
    """The day's files; a late one is waited for, looked for every minute."""
    left = work.account.file.source.wait_minutes * 60.0 if wait and not work.dry else 0.0
    while True:
        source = work.open_source()
        try:
            found = inbound.find_day(source, work.account, day)
            return inbound.fetch(source, found, folder, work.archive)
        except MissingFile:
            if left <= 0:
                raise
        finally:
            source.close()
        work.sleep(min(WAIT_STEP, left))
        left -= WAIT_STEP


def _bring_history(work: Setting, files: Sequence[Path], folder: Path) -> list[Brought]:
    if files:
        return inbound.at_hand([("backfill", path) for path in files], work.archive)
    pattern = work.account.file.source.backfill.format(
        organisation=work.account.file.organisation, date=work.now().date()
    )
    source = work.open_source()
    try:
        names = matching(source.names(), pattern)
        if not names:
            raise MissingFile(
                f"{work.account.name}: no file fits {pattern}",
                f"name the files: `placier backfill {work.account.name} FILE...`",
            )
        return [file for name in names for file in inbound.fetch(source, {"backfill": name}, folder, work.archive)]
    finally:
        source.close()


def _bring_again(work: Setting, day: date, how: Replay, folder: Path) -> list[Brought]:
    if how.refetch:
        return _bring_day(work, day, folder, wait=False)
    with work.database.transaction() as connection:
        recorded = Ledger(connection, work.account.name).current_files(day)
        held = [hold for hold in History(connection, work.account.name).open_holds() if hold.date == day]
    given = [(inbound.role_of(work.account, path, day), path) for path in how.files]
    brought = inbound.at_hand(given, work.archive)
    roles = {role for role, _ in given}
    if not recorded and not how.files:
        recorded = [file for hold in held for file in hold.files()]
    brought += inbound.from_archive([file for file in recorded if file[0] not in roles], work.archive, folder)
    missing = sorted(set(work.account.file.source.patterns()) - {file.role for file in brought})
    if missing:
        name = work.account.name
        raise MissingFile(
            f"{name}: the archive holds no {' and no '.join(missing)} for {day}",
            f"`placier replay {name} {day} --refetch` brings the day from the source, `--file F` takes a file",
        )
    return sorted(brought, key=lambda file: list(work.account.file.source.patterns()).index(file.role))


# Recording


def _slots(brought: Sequence[Brought], as_of: date) -> Iterator[tuple[Brought, Slot]]:
    """The slot of each file of a history; two files of one name from two folders do not replace each other."""
    names = Counter(file.name for file in brought)
    for file in brought:
        name = file.name if names[file.name] == 1 else f"{file.name} {file.sha256[:12]}"
        yield file, Slot("backfill", as_of - timedelta(days=1), name)


def _read(work: Setting, told: Run, brought: Sequence[Brought], slot: Slot) -> Load:
    """Read files into one load; what was ignored and set aside is told."""
    with told.stage("read"):
        load, ignored = inbound.make_load(brought, slot, _reader(work, told.as_of))
    told.ignored_columns = tuple(dict.fromkeys((*told.ignored_columns, *ignored)))
    told.rejects.extend((file.name, reject) for file in load.files for reject in file.rejects)
    return load


def _take(work: Setting, told: Run, load: Load) -> None:
    """Record a load in one transaction; or hold it."""
    account, slot = work.account, load.slot
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


def _reader(work: Setting, as_of: date) -> inbound.Reader:
    with work.database.transaction() as connection:
        forgotten = State(connection, work.account.name).forgotten()
    return inbound.Reader(inbound.load_mapping(work.account), work.account.zone, as_of, work.archive, forgotten)


def _record(work: Setting, told: Run, load: Load, ledger: Ledger) -> None:
    recorded = ledger.record(load, work.now())
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
    detail = {"slot": list(_named(load.slot)), "files": [[file.role, file.name, file.sha256] for file in load.files]}
    history.hold(Hold(told.run_id, reason, load.slot.business_date, told.as_of, count, load.fingerprint, detail))


# Sending


def _send(work: Setting, told: Run) -> None:
    """Plan and push what is marked; then forget what is too old.  A rehearsal stops at the plan."""
    platform = work.open_platform(told.run_id)
    try:
        outbound = Outbound(work.account, work.database, platform, work.progress)
        with told.stage("plan"):
            outbound.refresh(_today(work))
            prepared = _guarded(work, told, outbound.prepare(told.as_of))
        if not work.dry:
            with told.stage("push"):
                _deliver(told, outbound, prepared)
                outbound.watch(_today(work))
    finally:
        told.requests += platform.requests
        platform.close()
    _purge(work, told.as_of)


def _deliver(told: Run, outbound: Outbound, prepared: Prepared) -> None:
    receipts = outbound.deliver(prepared)
    told.pushed = receipts.pushed
    told.refused.update(receipts.refused)


def _guarded(work: Setting, told: Run, prepared: Prepared) -> Prepared:
    """Hold the leaves when they are too many; what is held stays held until it is approved."""
    told.plan = prepared.plan
    with work.database.transaction() as connection:
        history, state = History(connection, work.account.name), State(connection, work.account.name)
        earlier = [hold for hold in history.open_holds() if hold.reason == "leaves"]
        held_before = {pair for hold in earlier for pair in hold.pairs()}
        held = plan.held_leaves(prepared.plan, held_before, state.count_memberships(), work.account.file.guard)
        mark = plan.fingerprint(held)
        for hold in earlier:
            if hold.fingerprint != mark:
                history.close_hold(hold, "superseded")
        if held and all(hold.fingerprint != mark for hold in earlier):
            detail = {"leaves": sorted([email, key] for email, key in held)}
            history.hold(Hold(told.run_id, "leaves", told.date, told.as_of, len(held), mark, detail))
    return replace(prepared, plan=plan.hold_back(prepared.plan, held))


def _approve(work: Setting, told: Run, hold: Hold) -> None:
    platform = work.open_platform(told.run_id)
    outbound = Outbound(work.account, work.database, platform, work.progress)
    try:
        if hold.reason == "leaves":
            _approve_leaves(work, told, hold, outbound)
        else:
            _approve_load(work, told, hold)
            outbound.refresh(_today(work))
            prepared = outbound.prepare(hold.as_of)
            told.plan = prepared.plan
            _close(work, hold)
            _deliver(told, outbound, _guarded(work, told, prepared))
        outbound.watch(_today(work))
    finally:
        told.requests += platform.requests
        platform.close()


def _approve_leaves(work: Setting, told: Run, hold: Hold, outbound: Outbound) -> None:
    outbound.refresh(_today(work))
    prepared = outbound.prepare(hold.as_of)
    wanted = hold.pairs()
    now = {(change.email, leave.group_key) for change in prepared.plan.changes for leave in change.leaves}
    if not wanted <= now:
        raise _changed(work, hold)
    chosen = replace(prepared, plan=plan.only_leaves(prepared.plan, wanted))
    told.plan = chosen.plan
    _deliver(told, outbound, chosen)
    _close(work, hold)


def _approve_load(work: Setting, told: Run, hold: Hold) -> None:
    slot = _slot(hold)
    files = hold.files()
    with tempfile.TemporaryDirectory(prefix="placier-") as folder, told.stage("read"):
        brought = inbound.from_archive(files, work.archive, Path(folder))
        load, _ = inbound.make_load(brought, slot, _reader(work, hold.as_of))
    if load.fingerprint != hold.fingerprint:
        raise _changed(work, hold)
    with told.stage("record"), work.database.transaction() as connection:
        _record(work, told, load, Ledger(connection, work.account.name))


def _close(work: Setting, hold: Hold) -> None:
    with work.database.transaction() as connection:
        History(connection, work.account.name).close_hold(hold, "approved")


def _changed(work: Setting, hold: Hold) -> Held:
    name = work.account.name
    return Held(
        f"{name}: the plan has changed since the run {hold.run_id} held it",
        f"`placier status {name}` shows what is held now; approve that run",
    )


def _purge(work: Setting, as_of: date) -> None:
    """Rule 12: what is older than the retention leaves the ledger and the archive."""
    start = policy.retention_start(as_of, work.account.file.policy.retention_months)
    with work.database.transaction() as connection:
        ledger = Ledger(connection, work.account.name)
        ledger.purge(start)
        stale = ledger.purgeable_files(start)
    if not work.dry:
        for digest in stale:
            work.archive.remove(digest)


# Around a run


@contextmanager
def _at_work(setting: Setting) -> Iterator[Setting]:
    """Under the account's lock; a rehearsal in a transaction that is rolled back, with an archive of its own."""
    with ExitStack() as stack:
        stack.enter_context(setting.database.lock(setting.account.name, setting.locks, leave_no_trace=setting.dry))
        if setting.dry:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="placier-"))
            stack.enter_context(setting.database.rehearsal())
            yield replace(setting, archive=setting.archive.over(Path(folder)))
        else:
            yield setting


@contextmanager
def _running(work: Setting, kind: str, day: date | None, as_of: date) -> Iterator[Run]:
    """Note the beginning and the end of a run; what goes wrong inside ends this run, not the others."""
    told = Run(work.account.name, kind, day, as_of, work.new_id())
    with work.database.transaction() as connection:
        History(connection, work.account.name).begin(told.run_id, kind, (day, as_of), work.now())
    error: PlacierError | None = None
    try:
        yield told
    except PlacierError as caught:
        error = caught
    except Exception as caught:  # noqa: BLE001 - one account's defect must not stop the others, nor show its data
        error = unforeseen(caught)
    with work.database.transaction() as connection:
        history = History(connection, work.account.name)
        told.held = [(hold.reason, hold.operations) for hold in history.open_holds()]
        told.end(error, dry=work.dry)
        history.finish(told.run_id, told.status, told.message, told.json(), work.now())
    work.finished(told)


def _pending(work: Setting) -> bool:
    with work.database.transaction() as connection:
        return State(connection, work.account.name).pending() > 0


def _today(work: Setting) -> date:
    return work.now().date()


def _named(slot: Slot) -> tuple[str, str, str]:
    return slot.kind, slot.business_date.isoformat(), slot.name


def _slot(hold: Hold) -> Slot:
    kind, day, name = hold.slot()
    return Slot(kind, date.fromisoformat(day), name)
