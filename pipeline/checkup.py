"""What `doctor` looked at, and how people read it: from the top down, each with the command that mends it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

from pipeline.errors import PlacierError, UsageError

WIDTH = 80
_NAMES = 15
_COMMANDS = ("chmod ", "echo ", "ls ", "pip ", "rm ", "set -a", "ssh-keygen ", "sudo ")
"""How a line that is to be typed begins: it is never broken in two."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: whether it is well, and if not what to do (`remedy`: a sentence, then lines to type).

    `waits_for`: the check that must be mended before anybody can look at this one.
    """

    account: str
    check: str
    ok: bool
    message: str
    remedy: str = ""
    waits_for: str = ""


class Several(UsageError):
    """Several things of one kind, each told in a sentence (`messages`), that are mended in the same way."""

    def __init__(self, messages: Sequence[str], remedy: str) -> None:
        super().__init__("\n".join(messages), remedy)
        self.messages = messages


class Visit:
    """The checks of one account (empty: of all), in the order to mend them."""

    def __init__(self, account: str = "") -> None:
        self._account = account
        self.checks: list[Check] = []

    def look(self, check: str, what: Callable[[], str], *after: str) -> bool:
        """Whether all is well; not looked at while one of `after` is not."""
        ill = {found.check: found.waits_for or found.check for found in self.checks if not found.ok}
        first = next((ill[earlier] for earlier in after if earlier in ill), "")
        if first:
            self.checks.append(
                Check(self._account, check, False, f"not looked at until this is mended: {first}", waits_for=first)
            )
            return False
        try:
            self.checks.append(Check(self._account, check, True, what()))
        except Several as error:
            for message in error.messages:
                self.ill(check, message, error.remedy)
        except PlacierError as error:
            self.ill(check, error.message, error.remedy)
        return self.checks[-1].ok

    def ill(self, check: str, message: str, remedy: str) -> None:
        """Something that must be mended."""
        self.checks.append(Check(self._account, check, False, message, remedy))


def documents(found: Iterable[Check]) -> list[dict[str, object]]:
    """What was looked at, for programs; what waits for something else was not."""
    told = [asdict(check) for check in found if not check.waits_for]
    return [{key: value for key, value in check.items() if key != "waits_for"} for check in told]


def lines(found: Sequence[Check], width: int = WIDTH) -> Iterator[tuple[str, str]]:
    """The checks as (line, style), under their account; then how many are to be mended, and what comes next."""
    for account, checks in groupby(found, key=lambda check: check.account):
        yield account or "all accounts", "bold"
        for name, same in groupby(checks, key=lambda check: (check.check, check.ok)):
            yield from _told(name[0], list(same), width)
    ill = [check for check in found if not check.ok and not check.waits_for]
    yield "", ""
    if not ill:
        yield "all is well", "bold green"
        return
    first = f"{ill[0].account}: {ill[0].check}" if ill[0].account else ill[0].check
    what = "1 thing is" if len(ill) == 1 else f"{len(ill)} things are"
    yield f"{what} to be mended, from the top down (first {first});", "bold red"
    yield "then type the same command again", "bold red"


def _told(name: str, checks: Sequence[Check], width: int) -> Iterator[tuple[str, str]]:
    """One check, or several of one name that want the same."""
    mark, style = ("ok  ", "") if checks[0].ok else ("wait", "dim") if checks[0].waits_for else ("MEND", "red")
    head = f"  {mark}  {name:<{_NAMES}}  "
    said = checks[0].message if len(checks) == 1 else f"{len(checks)} things:"
    yield from ((line, style) for line in _wrapped(said, width, head, " " * len(head)))
    for number, check in enumerate(checks if len(checks) > 1 else (), 1):
        yield from ((line, style) for line in _wrapped(check.message, width, f"        {number:>2}. ", " " * 12))
    for remedy in dict.fromkeys(check.remedy for check in checks if check.remedy):
        for line in remedy.split("\n"):
            if line.startswith(_COMMANDS):
                yield f"        $ {line}", style
            else:
                yield from ((part, style) for part in _wrapped(line, width, "        → ", "          "))


def _wrapped(text: str, width: int, first: str, following: str) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=following, break_long_words=False, break_on_hyphens=False
    )
