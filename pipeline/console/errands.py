"""Long work: in a thread of its own, one at a time for an account, whether or not anybody looks."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Literal

from pipeline import nightly
from pipeline.bring import Replay
from pipeline.config import Account, Configuration
from pipeline.doors import Outside
from pipeline.errors import Busy, Held, PlacierError, unforeseen
from pipeline.outline import Outline
from pipeline.run import Run
from pipeline.setting import Setting
from pipeline.walks import Walk, Way, walk_accounts

MOST = 100
"""So many errands are remembered."""
FRESH = timedelta(minutes=30)
"""For how long a preview can be confirmed."""
Kind = Literal["preview", "replay", "approve"]


@dataclass(frozen=True, slots=True)
class Again:
    """A day to be done again: from the archive, or brought from the source (`refetch`); with `resend`, to everybody in it."""

    day: date
    as_of: date
    refetch: bool = False
    resend: bool = False

    def __call__(self, setting: Setting) -> list[Run]:
        """The replay, as the command does it."""
        return nightly.replay(setting, self.day, Replay((), self.refetch, self.resend), self.as_of)


@dataclass(slots=True, eq=False)
class Errand:
    """Something under way for an account, or done: its `runs`, or the `error` that no run could take in.

    `mark` is the plan's fingerprint, of a preview; `agreed` the one that was confirmed, and `changed` says that the plan was
    another one by then: nothing was sent, and this is a preview again.  `used`: it was confirmed.  `run_id` is what an
    approval approves.
    """

    id: str
    account: str
    kind: Kind
    started: datetime
    again: Again | None = None
    run_id: str = ""
    agreed: str = ""
    stage: str = ""
    share: tuple[int, int] = (0, 0)
    done: bool = False
    ended: datetime | None = None
    runs: list[Run] = field(default_factory=list)
    error: PlacierError | None = None
    mark: str = ""
    changed: bool = False
    used: bool = False

    @property
    def run(self) -> Run | None:
        """What came of it, once it has come to an end."""
        return self.runs[-1] if self.done and self.runs else None

    def confirmable(self, now: datetime) -> bool:
        """Whether what it shows can be confirmed still."""
        previewed = self.done and self.mark != "" and (self.kind == "preview" or self.changed)
        return previewed and not self.used and self.ended is not None and now - self.ended < FRESH

    def moved(self, stage: str, done: int, total: int) -> None:
        """How far it is."""
        self.stage, self.share = stage, (done, total)


class Errands:
    """All errands of this console; what is under way goes on when nobody looks."""

    def __init__(self, configuration: Configuration, outside: Outside) -> None:
        self._configuration = configuration
        self._outside = outside
        self._lock = threading.Lock()
        self._known: dict[str, Errand] = {}
        self._threads: list[threading.Thread] = []

    def get(self, name: str) -> Errand | None:
        """An errand by its id."""
        return self._known.get(name)

    def under_way(self, account: str) -> Errand | None:
        """What is being done for an account now."""
        return next((errand for errand in self._known.values() if errand.account == account and not errand.done), None)

    def preview(self, account: Account, again: Again) -> Errand:
        """Begin to see what doing a day again would change; Busy while something else is done for the account."""
        return self._begin(account, Errand(self._id(), account.name, "preview", self._outside.now(), again))

    def confirm(self, account: Account, shown: Errand) -> Errand:
        """Begin to do what was shown, and nothing else; Busy as above."""
        made = Errand(self._id(), account.name, "replay", self._outside.now(), shown.again, agreed=shown.mark)
        begun = self._begin(account, made)
        shown.used = True
        return begun

    def approve(self, account: Account, run_id: str) -> Errand:
        """Begin to let through what a run holds; Busy as above."""
        return self._begin(account, Errand(self._id(), account.name, "approve", self._outside.now(), run_id=run_id))

    def wait(self) -> bool:
        """Until nothing is under way; whether anything was."""
        with self._lock:
            alive = [thread for thread in self._threads if thread.is_alive()]
        for thread in alive:
            thread.join()
        return bool(alive)

    def busy(self) -> bool:
        """Whether anything is under way."""
        return any(not errand.done for errand in list(self._known.values()))

    def _id(self) -> str:
        return secrets.token_urlsafe(12)

    def _begin(self, account: Account, errand: Errand) -> Errand:
        with self._lock:
            if self.under_way(account.name) is not None:
                raise Busy(f"another run of the account {account.name} is under way", "wait for it, then try again")
            ended = [each for each in self._known.values() if each.done]
            for each in ended[: max(0, len(self._known) - MOST + 1)]:
                del self._known[each.id]
            self._known[errand.id] = errand
            thread = threading.Thread(target=self._go, args=(account, errand), name=f"errand {errand.id}", daemon=True)
            self._threads = [each for each in self._threads if each.is_alive()] + [thread]
            thread.start()
        return errand

    def _go(self, account: Account, errand: Errand) -> None:
        try:
            if errand.again is None:
                errand.runs = self._walked(account, errand, lambda s: nightly.approve(s, errand.run_id), dry=False)
            elif self._as_agreed(account, errand, errand.again):
                self._do(account, errand, errand.again)
        except PlacierError as error:
            errand.error = error
        except Exception as error:  # noqa: BLE001 - a thread has nobody above it, and words may hold personal data
            errand.error = unforeseen(error)
        finally:
            errand.ended, errand.done = self._outside.now(), True

    def _as_agreed(self, account: Account, errand: Errand, again: Again) -> bool:
        """Look first: whether the plan is the one that was agreed to.  Of a preview, this is all there is to do."""
        marks: list[str] = []
        walk = _told(again, lambda outline: marks.append(outline.fingerprint()))
        errand.runs = self._walked(account, errand, walk, dry=True)
        files = [(file.name, file.sha256) for file in errand.runs[-1].files]
        errand.mark = f"{marks[0]} {files}" if marks else ""
        errand.changed = errand.kind == "replay" and errand.mark not in {"", errand.agreed}
        return errand.kind == "replay" and bool(marks) and not errand.changed

    def _do(self, account: Account, errand: Errand, again: Again) -> None:
        """For real; a plan that has become another one in the meantime is not sent."""
        agreed, errand.mark = errand.mark.partition(" ")[0], ""

        def same(outline: Outline) -> None:
            if outline.fingerprint() != agreed:
                raise Held(
                    f"{account.name}: the plan has changed since it was shown: nothing was sent",
                    f"look at it again: `placier replay {account.name} {again.day} --dry-run`",
                )

        errand.runs = self._walked(account, errand, _told(again, same), dry=False)

    def _walked(self, account: Account, errand: Errand, walk: Walk, *, dry: bool) -> list[Run]:
        outside = replace(self._outside, progress=errand.moved)
        kind = "approve" if errand.kind == "approve" else "replay"
        return walk_accounts(self._configuration, [account], walk, outside, Way(kind, dry, loud=False))


def _told(again: Again, planned: Callable[[Outline], None]) -> Walk:
    return lambda setting: again(replace(setting, planned=planned))
