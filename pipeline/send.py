"""Sending what is marked: refresh, plan, guard, deliver; and what a guard held, once it is approved."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from pipeline import guard, policy
from pipeline.outbound import Outbound, Prepared
from pipeline.record import approve_load, changed
from pipeline.run import Run
from pipeline.setting import Setting, today
from pipeline.store.acknowledged import State
from pipeline.store.erasing import Eraser
from pipeline.store.history import History, Hold


def send(work: Setting, told: Run) -> None:
    """Plan and push what is marked; then forget what is too old.  A rehearsal stops at the plan."""
    platform = work.open_platform(told.run_id)
    try:
        outbound = Outbound(work.account, work.database, platform, work.progress)
        with told.stage("plan"):
            outbound.refresh(today(work))
            prepared = _guarded(work, told, outbound.prepare(told.as_of))
        if not work.dry:
            with told.stage("push"):
                _deliver(told, outbound, prepared)
                outbound.watch(today(work))
    finally:
        told.requests += platform.requests
        platform.close()
    purge(work, told.as_of)


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
        held = guard.held_leaves(prepared.plan, held_before, state.count_memberships(), work.account.file.guard)
        mark = guard.fingerprint(held)
        for hold in earlier:
            if hold.fingerprint != mark:
                history.close_hold(hold, "superseded")
        if held and all(hold.fingerprint != mark for hold in earlier):
            detail = {"leaves": sorted([email, key] for email, key in held)}
            history.hold(Hold(told.run_id, "leaves", told.date, told.as_of, len(held), mark, detail))
    return replace(prepared, plan=guard.hold_back(prepared.plan, held))


def approve_hold(work: Setting, told: Run, hold: Hold) -> None:
    """Let through what is held, as of the day of its run."""
    platform = work.open_platform(told.run_id)
    outbound = Outbound(work.account, work.database, platform, work.progress)
    try:
        if hold.reason == "leaves":
            _approve_leaves(work, told, hold, outbound)
        else:
            approve_load(work, told, hold)
            outbound.refresh(today(work))
            prepared = outbound.prepare(hold.as_of)
            told.plan = prepared.plan
            _close(work, hold)
            _deliver(told, outbound, _guarded(work, told, prepared))
        outbound.watch(today(work))
    finally:
        told.requests += platform.requests
        platform.close()


def _approve_leaves(work: Setting, told: Run, hold: Hold, outbound: Outbound) -> None:
    outbound.refresh(today(work))
    prepared = outbound.prepare(hold.as_of)
    wanted = hold.pairs()
    now = {(change.email, leave.group_key) for change in prepared.plan.changes for leave in change.leaves}
    if not wanted <= now:
        raise changed(work, hold)
    chosen = replace(prepared, plan=guard.only_leaves(prepared.plan, wanted))
    told.plan = chosen.plan
    _deliver(told, outbound, chosen)
    _close(work, hold)


def _close(work: Setting, hold: Hold) -> None:
    with work.database.transaction() as connection:
        History(connection, work.account.name).close_hold(hold, "approved")


def purge(work: Setting, as_of: date) -> None:
    """Rule 12: what is older than the retention leaves the ledger and the archive."""
    start = policy.retention_start(as_of, work.account.file.policy.retention_months)
    with work.database.transaction() as connection:
        eraser = Eraser(connection, work.account.name)
        eraser.purge(start)
        stale = eraser.purgeable_files(start)
    if not work.dry:
        for digest in stale:
            work.archive.remove(digest)
