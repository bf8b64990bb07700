"""Sending what is marked: refresh, plan, guard, deliver; and what a guard held, once it is approved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from pipeline import guard, policy
from pipeline.dispatch import Prepared
from pipeline.errors import Emptied
from pipeline.outbound import Outbound
from pipeline.record import approve_load, changed
from pipeline.run import Run
from pipeline.setting import Setting, occasion, today
from pipeline.store.acknowledged import State
from pipeline.store.erasing import Eraser
from pipeline.store.history import History, Hold
from pipeline.store.pages import Pages
from pipeline.store.standing import Figures


def send(work: Setting, told: Run) -> None:
    """Plan and push what is marked; then forget what is too old.  A rehearsal stops at the plan."""
    platform = work.open_platform(told.run_id)
    try:
        outbound = Outbound(work.account, work.database, platform, occasion(work, told.run_id))
        with told.stage("plan"):
            prepared = _guarded(work, told, _prepared(work, told, outbound))
            work.planned(prepared.outline)
        if not work.dry:
            with told.stage("push"):
                _deliver(told, outbound, prepared)
                told.came_back += outbound.watch_again(today(work))
    finally:
        told.requests += platform.requests
        platform.close()
    purge(work, told)


def _prepared(work: Setting, told: Run, outbound: Outbound) -> Prepared:
    """The plan; Emptied, and held until it is approved, when the platform lacks what should be there."""
    try:
        outbound.refresh(today(work))
        prepared = outbound.prepare(told.as_of)
    except Emptied as error:
        _hold_platform(work, told, error, outbound.accepted)
        raise
    _hold_platform(work, told, None, outbound.accepted)
    return prepared


def _hold_platform(work: Setting, told: Run, error: Emptied | None, accepted: str) -> None:
    """Hold all that is to be sent to a platform that lacks what should be there; let it go when it does not, or may."""
    with work.database.transaction() as connection:
        history = History(connection, work.account.name)
        earlier = [hold for hold in history.open_holds() if hold.reason == "platform"]
        mark = "" if error is None else error.fingerprint
        for hold in earlier:
            if hold.fingerprint != mark:
                history.close_hold(hold, "approved" if hold.fingerprint == accepted else "superseded")
        if error is not None and all(hold.fingerprint != mark for hold in earlier):
            history.hold(Hold(told.run_id, "platform", told.date, told.as_of, error.lacking, mark, {}))


def _deliver(told: Run, outbound: Outbound, prepared: Prepared) -> None:
    delivered = outbound.deliver(prepared)
    told.pushed = told.pushed.plus(delivered.pushed)
    told.refused.update(delivered.refused)
    if told.plan is not None:
        told.plan = replace(
            told.plan,
            blocked=(*told.plan.blocked, *delivered.blocked),
            skips=Counter(told.plan.skips) + Counter(delivered.left.values()),
        )


def _guarded(work: Setting, told: Run, prepared: Prepared) -> Prepared:
    """Hold the leaves when they are too many; what is held stays held until it is approved."""
    outline = prepared.outline
    told.plan = outline.preview()
    with work.database.transaction() as connection:
        history, state = History(connection, work.account.name), State(connection, work.account.name)
        earlier = [hold for hold in history.open_holds() if hold.reason == "leaves"]
        held_before = {pair for hold in earlier for pair in hold.pairs()}
        limits = work.account.file.guard
        seats = state.count_memberships() if len(outline.leaves) > limits.max_leaves else 0
        held = guard.held_leaves(outline.leaves, held_before, seats, limits)
        mark = guard.fingerprint(held)
        for hold in earlier:
            if not held or hold.fingerprint != mark:
                history.close_hold(hold, "superseded")
        if held and all(hold.fingerprint != mark for hold in earlier):
            detail = {"leaves": sorted([*pair, outline.leaves[pair]] for pair in held)}
            history.hold(Hold(told.run_id, "leaves", told.date, told.as_of, len(held), mark, detail))
    outline.hold(held)
    return prepared


def approve_holds(work: Setting, told: Run, holds: Sequence[Hold]) -> None:
    """Let through what a run holds, as of its day: first the leaves, for its files may bring others; then the files.

    A run whose holds were all overtaken is refused.  An approval that was cut off is finished by the next one.
    """
    if all(hold.state == "superseded" for hold in holds):
        raise changed(work, holds[0])
    if any(hold.reason == "purge" and hold.state == "open" for hold in holds):
        purge(work, told, approved=True)
    holds = [hold for hold in holds if hold.reason != "purge"]
    if not holds:
        return
    platform = work.open_platform(told.run_id)
    outbound = Outbound(work.account, work.database, platform, occasion(work, told.run_id))
    try:
        for hold in holds:
            if hold.reason == "platform":
                outbound.accept(hold.fingerprint)
        for hold in (hold for hold in holds if hold.reason == "leaves" and hold.state == "open"):
            _approve_leaves(work, told, hold, outbound)
        others = [hold for hold in holds if hold.reason != "leaves" and hold.state != "superseded"]
        for hold in (hold for hold in others if hold.reason != "platform" and hold.state == "open"):
            approve_load(work, told, hold)
        if others:
            _deliver(told, outbound, _guarded(work, told, _prepared(work, told, outbound)))
        told.came_back += outbound.watch_again(today(work))
    finally:
        told.requests += platform.requests
        platform.close()


def _approve_leaves(work: Setting, told: Run, hold: Hold, outbound: Outbound) -> None:
    """Take out those who are held, and nobody else; who left already, in an approval that was cut off, has left."""
    prepared = _prepared(work, told, outbound)
    wanted = hold.pairs()
    missing = wanted - prepared.outline.leaves.keys()
    with work.database.transaction() as connection:
        seats = State(connection, work.account.name).memberships({email for email, _ in missing})
    if any(key not in seats.get(email, {}) or seats[email][key].state != "out" for email, key in missing):
        raise changed(work, hold)
    prepared.outline.only(wanted)
    told.plan = prepared.outline.preview()
    _deliver(told, outbound, prepared)
    with work.database.transaction() as connection:
        History(connection, work.account.name).close_hold(hold, "approved")


def purge(work: Setting, told: Run, *, approved: bool = False) -> None:
    """Rule 12: what is older than the retention leaves the ledger and the archive.

    Held when it is most of the ledger or of the archive at once: a day that was mistyped, or a clock that is years ahead.
    """
    work.archive.tidy()
    start = policy.retention_start(told.as_of, work.account.file.policy.retention_months)
    with work.database.transaction() as connection:
        eraser, history = Eraser(connection, work.account.name), History(connection, work.account.name)
        earlier = [hold for hold in history.open_holds() if hold.reason == "purge"]
        rows, (files, kept) = eraser.count_before(start), work.catalogue.measure(start)
        much = policy.too_much_to_purge(rows, eraser.count) or policy.too_many_to_let_go(files, kept)
        if much and not approved:
            if not earlier:
                count = max(rows, files)  # with the state lost, the ledger has nothing to tell
                history.hold(Hold(told.run_id, "purge", told.date, told.as_of, count, start.isoformat(), {}))
            return
        for hold in earlier:
            history.close_hold(hold, "approved" if approved else "superseded")
        eraser.purge(start)
        Pages(connection, work.account.name).purge(start)
        Figures(connection, work.account.name).purge(start)
    for digest in work.catalogue.let_go(start):
        work.archive.remove(digest)
