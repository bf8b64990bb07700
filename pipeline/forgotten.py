"""People who were forgotten: recognised by a keyed hash, so that nothing brings them back, and nobody can read who they are."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

PREFIX = "forgotten:"
ADDRESS = re.compile(r"[^\s@<>\"';,|]+@[^\s@<>\"';,|]+")


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The forgotten of one account: `days` by keyed hash; what they did through that day is left out of everything.

    The transactions that were theirs alone have a hash as well: a cancellation concerns the buyer of its transaction
    (rule 7), whatever address it carries.
    """

    key: str = field(default="", repr=False)
    days: Mapping[str, date] = field(default_factory=dict)

    def name(self, text: str) -> str:
        """What stands for an address (or a contact id, or a transaction) that may not be kept."""
        digest = hmac.new(bytes.fromhex(self.key), text.strip().lower().encode(), hashlib.sha256).hexdigest()
        return f"{PREFIX}{digest}"

    def day(self, email: str) -> date | None:
        """The day on which an address was forgotten; None if it was not."""
        return self.days.get(self.name(email)) if self.days else None

    def among(self, emails: Iterable[str]) -> dict[str, date]:
        """Those of `emails` who were forgotten, and when."""
        return {email: day for email in emails if (day := self.day(email)) is not None} if self.days else {}

    def transaction(self, number: str) -> str:
        """What stands for a transaction that was a forgotten person's alone."""
        return self.name(f"transaction {number}")

    def transactions(self, numbers: Iterable[str]) -> dict[str, date]:
        """Those of these transactions that were a forgotten person's alone, and when the person was forgotten."""
        days = ((number, self.days.get(self.transaction(number))) for number in (numbers if self.days else ()))
        return {number: day for number, day in days if day is not None}

    def told_in(self, text: str) -> bool:
        """Whether a raw line names somebody who was forgotten."""
        return bool(self.days) and any(self.day(found) is not None for found in ADDRESS.findall(text))
