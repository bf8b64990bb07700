"""What changes something: a day again, and letting through what is held; each is shown first, and confirmed."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import partial

from starlette.responses import Response

from pipeline.console.asked import Asked, NoSuchPage
from pipeline.console.errands import Again, Errand
from pipeline.errors import Busy, MissingFile
from pipeline.plan import Change, Counts
from pipeline.report.summary import reasons
from pipeline.store.acknowledged import State
from pipeline.store.history import History, Hold

CHANGES, CROWDS = 40, 10
"""So many changes, and groups, are shown one by one."""


@dataclass(frozen=True, slots=True)
class Held:
    """A hold for people: how many it concerns, by group and by reason, or file by file."""

    hold: Hold
    people: int
    crowds: tuple[tuple[str, int], ...]
    more: int
    reasons: tuple[tuple[str, int], ...]


def replay(asked: Asked) -> Response:
    """Which day is to be done again."""
    return asked.page("replay.html", day=asked.request.query_params.get("day", ""), fault="")


def preview(asked: Asked) -> Response:
    """Begin to see what it would change."""
    given = asked.form.get("day", "")
    try:
        day = date.fromisoformat(given)
    except ValueError:
        return asked.page("replay.html", 422, day=given, fault="bad_day")
    if day > asked.today:
        return asked.page("replay.html", 422, day=given, fault="day_ahead")
    again = Again(day, asked.today, asked.form.get("from") == "source", asked.form.get("resend") == "yes")
    try:
        return _on_to(asked, asked.console.errands.preview(asked.own, again))
    except Busy:
        return _busy(asked)


def errand(asked: Asked) -> Response:
    """How far something is, or what came of it."""
    found = replace(_errand(asked))  # as it is now: its thread goes on, and says that it is done last of all
    run = found.run
    plan = None if run is None else run.plan
    dry = found.kind == "preview" or found.changed
    with asked.state() as (connection, _):
        held = {
            (each.reason, each.operations): each.run_id for each in History(connection, asked.own.name).open_holds()
        }
    counts = asdict((Counts() if plan is None else plan.counts) if dry or run is None else run.pushed)
    return asked.page(
        "errand.html",
        errand=found,
        run=run,
        changes=[] if plan is None else plan.changes[:CHANGES],
        holds=[] if run is None else [(reason, n, held.get((reason, n), "")) for reason, n in run.held],
        counts=[(key, n) for key, n in counts.items()],
        changed_something=plan is not None and bool(plan.contacts or plan.counts.groups_created),
        files=[] if run is None else run.files,
        reasons=partial(_reasons, asked),
        confirmable=asked.console.may_replay and found.confirmable(asked.console.outside.now()),
        busy=run is not None and isinstance(run.error, Busy),
        missing=run is not None and isinstance(run.error, MissingFile),
        error=found.error or (None if run is None else run.error),
    )


def confirm(asked: Asked) -> Response:
    """Do what was shown, and nothing else."""
    shown = _errand(asked)
    if not shown.confirmable(asked.console.outside.now()):
        return asked.refuse(409, "stale")
    try:
        return _on_to(asked, asked.console.errands.confirm(asked.own, shown))
    except Busy:
        return _busy(asked)


def hold(asked: Asked) -> Response:
    """What a run holds."""
    run_id = asked.request.path_params["run"]
    with asked.state() as (connection, _):
        titles = {key: group.title for key, group in State(connection, asked.own.name).groups().items()}
        holds = [each for each in History(connection, asked.own.name).open_holds() if each.run_id == run_id]
    if not holds:
        return asked.refuse(404, "nothing_held")
    return asked.page("hold.html", run_id=run_id, holds=[_held(each, titles) for each in holds])


def approve(asked: Asked) -> Response:
    """Let it through."""
    run_id = asked.request.path_params["run"]
    with asked.state() as (connection, _):
        if not any(each.run_id == run_id for each in History(connection, asked.own.name).open_holds()):
            return asked.refuse(404, "nothing_held")
    try:
        return _on_to(asked, asked.console.errands.approve(asked.own, run_id))
    except Busy:
        return _busy(asked)


def _reasons(asked: Asked, change: Change) -> list[str]:
    """Why a contact changes, as the page of the night says it."""
    return reasons(change.reasons, [leave.reason for leave in change.leaves], asked.words)


def _errand(asked: Asked) -> Errand:
    found = asked.console.errands.get(asked.request.path_params["errand"])
    if found is None or found.account != asked.own.name:
        raise NoSuchPage
    return found


def _on_to(asked: Asked, begun: Errand) -> Response:
    return asked.go(asked.at("errands", begun.id))


def _busy(asked: Asked) -> Response:
    under_way = asked.console.errands.under_way(asked.own.name)
    return asked.page("busy.html", 409, errand=under_way)


def _held(hold: Hold, titles: dict[str, str]) -> Held:
    pairs = hold.pairs()
    crowds = sorted(Counter(titles.get(key, key) for _, key in pairs).items(), key=lambda crowd: (-crowd[1], crowd[0]))
    return Held(
        hold,
        len({email for email, _ in pairs}) or hold.people(),
        tuple(crowds[:CROWDS]),
        max(0, len(crowds) - CROWDS),
        tuple(sorted(Counter(hold.reasons()).items())),
    )
