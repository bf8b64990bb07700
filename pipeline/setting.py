"""Where a run takes place, and what surrounds every run: the lock, the rehearsal, the note of its beginning and end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

from pipeline.archive import Archive
from pipeline.catalogue import Catalogue
from pipeline.config import Account
from pipeline.desk import own_desk
from pipeline.dispatch import PORTION, Occasion, Progress
from pipeline.engines import Engine
from pipeline.engines.local import LOCAL
from pipeline.errors import PlacierError, StateError, unforeseen
from pipeline.outline import Outline
from pipeline.platforms import Platform
from pipeline.run import Run
from pipeline.sources import Source
from pipeline.store.acknowledged import State
from pipeline.store.database import Database
from pipeline.store.erasing import Eraser
from pipeline.store.history import History
from pipeline.store.recordings import Recordings


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the pages are, whether they show addresses, and the language of the list of accounts."""

    folder: Path
    addresses: bool = False
    language: Literal["fr", "en"] = "fr"


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a run takes place: one account, its state, its doors to the outside, and the time.

    `desk`: below it each run has a folder of its own for the files at hand, which `at_work` puts in its place.
    `dry`: the run is a rehearsal.  `finished` is told of every run that ends: it logs, writes the page, raises alerts.
    `planned` is told of every plan before it is sent, and may raise Held: then nothing is.  `portion`: so many contacts are
    planned and sent at once.  `engine`: what merges a load that is laid out in parts.
    """

    account: Account
    database: Database
    archive: Archive
    catalogue: Catalogue
    locks: Path
    desk: Path
    shelf: Shelf
    open_source: Callable[[], Source]
    open_platform: Callable[[str], Platform]
    new_id: Callable[[], str]
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    dry: bool = False
    progress: Progress = field(default=lambda stage, done, total: None)
    finished: Callable[[Run], None] = field(default=lambda run: None)
    planned: Callable[[Outline], None] = field(default=lambda outline: None)
    portion: int = PORTION
    engine: Engine = LOCAL


@contextmanager
def at_work(setting: Setting) -> Iterator[Setting]:
    """Under the account's lock, at a desk of its own; a rehearsal with an archive and a state that are thrown away."""
    with ExitStack() as stack:
        stack.enter_context(setting.database.lock(setting.account.name, setting.locks, leave_no_trace=setting.dry))
        desk = stack.enter_context(own_desk(setting.desk, leave_no_trace=setting.dry))
        work = replace(setting, desk=desk)
        if setting.dry:
            stack.enter_context(setting.database.rehearsal(desk))
            aside = setting.archive.over(desk / "archive"), setting.catalogue.over(desk / "catalogue")
            work = replace(work, archive=aside[0], catalogue=aside[1])
        listed = work.catalogue
        work = replace(work, archive=work.archive.noting(lambda digest: listed.note(digest, today(setting))))
        put_in_place(work, work.catalogue.read().fresh)  # a `forget` that was killed is finished
        list_recorded(work)
        yield work
        with suppress(StateError):  # the run is what it is; what is not listed now, the next one lists
            list_recorded(work)


def list_recorded(work: Setting) -> None:
    """List in the archive's catalogue what was recorded, and the groups that came to be known, since it was listed last."""
    with work.database.transaction() as connection:
        recorded = Recordings(connection, work.account.name).current()
        groups = State(connection, work.account.name).groups()
    work.catalogue.keep_up(recorded, work.account.file.mapping, groups.values())


def put_in_place(work: Setting, rewritten: Sequence[tuple[str, str]]) -> None:
    """Archived files that were rewritten take the place of the old ones: in the ledger, in holds, in the archive."""
    for old, new in rewritten:
        with work.database.transaction() as connection:
            Eraser(connection, work.account.name).rename_file(old, new)
            History(connection, work.account.name).rename_file(old, new)
        if not work.catalogue.wanted_elsewhere(old):
            work.archive.remove(old)


@contextmanager
def running(work: Setting, kind: str, day: date | None, as_of: date) -> Iterator[Run]:
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
    try:
        with work.database.transaction() as connection:
            history = History(connection, work.account.name)
            told.held = [(hold.reason, hold.operations) for hold in history.open_holds()]
            told.end(error, dry=work.dry)
            history.finish(told.run_id, told.status, told.message, told.json(), work.now())
    except PlacierError as caught:  # it is told all the same; the next run notes that this one came to no end
        told.end(error or caught)
    work.finished(told)


def occasion(work: Setting, run_id: str) -> Occasion:
    """What is noted of the platform, is noted for this run."""
    return Occasion(run_id, work.now, work.progress, work.portion)


def pending(work: Setting) -> bool:
    """Whether contacts are marked from earlier."""
    with work.database.transaction() as connection:
        return State(connection, work.account.name).pending() > 0


def today(work: Setting) -> date:
    """The day on the account's calendar, whatever the run's as-of."""
    return work.now().replace(tzinfo=UTC).astimezone(work.account.zone).date()
