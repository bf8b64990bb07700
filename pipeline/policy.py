"""The business rules, one small pure function each: the docstring is the rule.

Nothing here knows of files, databases or requests.  Where a function takes a *column*, it works on a pandas Series and
on a single value alike, for it only compares and subtracts.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from statistics import median

from dateutil.relativedelta import relativedelta

LAST_PURCHASE_ORDER = ("booked_at", "transaction_id", "performance_start", "performance_id")
"""A contact's last purchase is the greatest in this order: transaction time, then the ties compared as text."""

PROOF_LENGTH = 255
TITLE_LENGTH = 100
KEY_LENGTH = 200
MIN_REJECTS = 20
VOLUME_DAYS = 28
VOLUME_HISTORY = 7
SAMPLE = 3
MANY = 50
MANY_ROWS = 1000
MANY_FILES = 100


# Aggregation and texts


def joined(texts: Iterable[str | None]) -> str | None:
    """Rule 1: the categories of one booking, joined with `, ` in order of first appearance, without repeats."""
    return ", ".join(dict.fromkeys(text for text in texts if text)) or None


def cut(text: str, limit: int) -> str:
    """A text of at most `limit` characters, never cut inside a character made of several code points."""
    if len(text) <= limit:
        return text
    end = limit
    while end > 0 and (unicodedata.combining(text[end]) or text[end] == "\u200d" or text[end - 1] == "\u200d"):
        end -= 1
    return text[:end].rstrip()


def normalised(title: str) -> str:
    """A title as a key: without case, accents and repeated blanks."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", title) if not unicodedata.combining(char))
    return " ".join(plain.casefold().split())


# Consent


@lru_cache(maxsize=4096)
def consent_until(start: date, months: int) -> date:
    """Rule 4: implied consent lasts `months` calendar months, the end of the month clamped, through its last day.

    Canada's anti-spam law counts two years from the purchase (S.C. 2010, c. 23, s. 10(10)); 2024-02-29 -> 2026-02-28.
    """
    return start + relativedelta(months=months)


def consent_ended(start: date, months: int, on: date) -> bool:
    """Whether the consent given on `start` has ended on the day `on` (its last day still counts)."""
    return on > consent_until(start, months)


def first_lasting(on: date, months: int) -> date:
    """The first day on which a consent was given that has not ended on the day `on`."""
    day = on - relativedelta(months=months)
    while consent_ended(day, months, on):  # the end of a month was clamped: 31 March less a month is 28 February
        day += timedelta(days=1)
    return day


def consent_proof(show_title: str, performance_day: str, transaction_id: str) -> str:
    """Rule 4: the proof names show, performance date (`YYYY-MM-DD`) and transaction, in at most 255 characters."""
    tail = cut(f", {performance_day}, transaction {transaction_id}", PROOF_LENGTH)
    return cut(show_title, PROOF_LENGTH - len(tail)) + tail


# Groups


def _short(key: str) -> str:
    """A key that fits an index whatever the length of the title in it."""
    if len(key) <= KEY_LENGTH:
        return key
    return f"{key[:KEY_LENGTH]}~{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def show_key(show_id: str | None, title: str | None) -> str | None:
    """What makes a show the same show: its id, else its normalised title; None if it has neither."""
    if show_id:
        return _short(f"id:{show_id}")
    return _short(f"title:{normalised(title)}") if title and normalised(title) else None


def performance_key(performance_id: str | None, title: str | None, start: str | None) -> str:
    """What makes a performance the same performance: its id, else the normalised title and the start."""
    if performance_id:
        return _short(f"id:{performance_id}")
    return f"{_short('at:' + normalised(title or ''))}|{start or ''}"


def first_day_to_join(as_of: date, grace_days: int) -> date:
    """Rule 6: buyers for a performance that ended on this day or later join the show's group; 3 joins, 4 does not."""
    return as_of - timedelta(days=grace_days)


def group_title(template: str, show_title: str, start: datetime | None, ids: tuple[str, str]) -> str:
    """The title of a show's group, at most 100 characters; `ids` are the show's and the performance's."""
    when = start or datetime.min  # noqa: DTZ901 - only for a template that does not use it
    title = template.format(show_title=show_title, date=when, show_id=ids[0], performance_id=ids[1])
    return cut(" ".join(title.split()), TITLE_LENGTH)


def twin_title(title: str, identifier: str) -> str:
    """Rule 6: the second show of one title gets ` #ID` at the end, still within 100 characters."""
    tail = cut(f" #{identifier}", TITLE_LENGTH)
    return cut(title, TITLE_LENGTH - len(tail)) + tail


def same_title(title: str) -> str:
    """Titles that are equal under this are one title to the people who read them: trimmed, without case."""
    return " ".join(unicodedata.normalize("NFC", title).split()).casefold()


# Guards


def too_many_rejects(rejected: int, lines: int, ratio: float) -> bool:
    """Section 3: more than `ratio` of bad lines, and at least 20 of them, holds the whole file."""
    return rejected >= MIN_REJECTS and rejected > ratio * lines


def too_many_leaves(leaves: int, memberships: int, max_leaves: int, max_ratio: float) -> bool:
    """Hold the leaves when there are more than `max_leaves` and more than `max_ratio` of the account's memberships."""
    return leaves > max_leaves and leaves > max_ratio * memberships


def too_many_lines(lines: int, history: Sequence[int], max_ratio: float) -> bool:
    """Hold a day with `max_ratio` times the median lines of the last 28 days, once there are 7 days of history."""
    return len(history) >= VOLUME_HISTORY and lines >= max_ratio * max(median(history), 1)


def platform_emptied(seats_lost: int, asked: int, found: int) -> bool:
    """Whether it is more than staff tidying up when all groups that were ours are gone at once.

    It is when none of the people asked for (at least three) is a member either: another account's token, for one; or
    when more than 50 seats would be lost.
    """
    return (asked >= SAMPLE and found == 0) or seats_lost > MANY


def too_many_vanished(missing: int, asked: int) -> bool:
    """Whether it is more than staff deleting members: more than 50 are missing, and more than a fifth of those asked for."""
    return missing > MANY and missing > asked / 5


def too_much_to_purge(rows: int, count: Callable[[], int]) -> bool:
    """Whether it is more than a night's purge: over 1,000 rows, and over half of all (`count`, asked for if it matters)."""
    return rows > MANY_ROWS and rows > count() / 2


def too_many_to_let_go(files: int, kept: int) -> bool:
    """Whether it is more than a night's share of the archive: over 100 files, and over half of all that are kept."""
    return files > MANY_FILES and files > kept / 2


# Retention


def retention_start(as_of: date, months: int) -> date:
    """Rule 12: the first day that is still kept."""
    return as_of - relativedelta(months=months)
