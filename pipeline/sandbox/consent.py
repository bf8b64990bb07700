"""Consent as the platform keeps it: relation types, how long each lasts, and which of two wins."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date as Day

EXPRESS: frozenset[str] = frozenset({"express-consent", "contest-participants", "purchased-list"})
"""Relation types of an express consent, which does not end.  All others are implied."""
MONTHS: dict[str, int] = {
    "active-clients": 24,
    "inactive-clients": 24,
    "association-members": 24,
    "information-request": 6,
}
"""Months that an implied consent lasts; the first is documented, the others are the law's.  Not listed: no end."""


@dataclass(frozen=True, slots=True)
class Consent:
    """A member's consent.  `relation` None: the member came without one (POST /members), anything outranks it."""

    relation: str | None
    date: Day | None
    proof: str

    @property
    def express(self) -> bool:
        """Whether the consent is express."""
        return self.relation in EXPRESS

    @property
    def expires(self) -> Day | None:
        """The day on which it ends; None: never, or unknown."""
        if self.relation is None or self.date is None or self.relation not in MONTHS:
            return None
        return months_later(self.date, MONTHS[self.relation])


UNSTATED = Consent(None, None, "")
"""No consent was stated."""


def months_later(day: Day, months: int) -> Day:
    """The same day `months` later, the end of the month clamped."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return Day(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def outranks(new: Consent, old: Consent, *, older_applied: bool = False) -> bool:
    """Whether `new` replaces `old`: express beats implied, then the later end wins; equals are replaced.

    `older_applied`: among consents of one kind, an earlier end replaces too.
    """
    if old.relation is None:
        return True
    if new.express != old.express:
        return new.express
    if new.express or older_applied:
        return True
    return _end(new) >= _end(old)


def _end(consent: Consent) -> Day:
    if consent.date is None:
        return Day.min
    return consent.expires or Day.max
