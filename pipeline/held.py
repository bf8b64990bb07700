"""What a guard holds, in words: which day, files and groups, how many people, and what to type next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from pipeline.store.acknowledged import State
from pipeline.store.history import History, Hold

GROUPS = 10
"""So many groups are named one by one, those that most people would leave first."""
WORDS = {
    "leaves": "{count} leaves of groups at once: none was sent, everything else was",
    "platform": "{count} groups or people that were on the platform are not there any more: nothing was sent",
    "purge": "{count} rows of the ledger or archived files, most of them, are too old for that day: none was deleted",
    "rejects": "{count} bad lines, too many: nothing of the day's files is recorded",
    "gap": "the archive lacks {count} files or days: nothing was rebuilt, and nothing is lost by waiting",
    "volume": "{count} lines, far more than usual: nothing of the day's files is recorded",
}


@dataclass(frozen=True, slots=True)
class Holding:
    """A hold as people read it: `what` in a sentence, `details` a line each, `remedies` what to type next."""

    what: str
    details: tuple[str, ...]
    remedies: tuple[str, ...]


def holdings(connection: Connection, account: str) -> list[Holding]:
    """All that is held of an account now, oldest first."""
    titles = {key: group.title for key, group in State(connection, account).groups().items()}
    return [_holding(hold, account, titles) for hold in History(connection, account).open_holds()]


def _holding(hold: Hold, account: str, titles: Mapping[str, str]) -> Holding:
    day = "" if hold.date is None else f" of {hold.date}"
    words = WORDS.get(hold.reason, f"{{count}} {hold.reason}").format(count=hold.operations)
    remedies = [f"placier approve {account} {hold.run_id}   lets exactly this through"]
    if hold.reason in {"rejects", "volume"} and hold.slot()[0] == "day":
        remedies.append(f"placier replay {account} {hold.date} --refetch   takes a corrected file in its place")
    details = hold.gaps() or (_groups(hold, titles) if hold.reason == "leaves" else _files(hold))
    return Holding(f"the run {hold.run_id}{day}: {words}", details, tuple(remedies))


def _groups(hold: Hold, titles: Mapping[str, str]) -> tuple[str, ...]:
    pairs = hold.pairs()
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(Counter(hold.reasons()).items()))
    crowds = sorted(Counter(key for _, key in pairs).items(), key=lambda crowd: (-crowd[1], crowd[0]))
    named = [f"{titles.get(key, key)}: {_people(count)}" for key, count in crowds[:GROUPS]]
    if len(crowds) > GROUPS:
        named.append(f"… and {len(crowds) - GROUPS} more groups")
    in_all = f"{_people(len({email for email, _ in pairs}))} in all"
    return (f"{in_all} ({reasons})" if reasons else in_all, *named)


def _files(hold: Hold) -> tuple[str, ...]:
    named = [f"{name}: {bad} of {lines} lines are bad" for name, lines, bad in hold.counts()]
    return (*named, *([_people(hold.people()) + " bought or cancelled"] if named else ()))


def _people(count: int) -> str:
    return f"{count} {'person' if count == 1 else 'people'}"
