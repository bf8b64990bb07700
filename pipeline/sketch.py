"""From the marks to the outline of a plan, some thousands of contacts at a time; and their changes again when they are sent."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from pipeline.config import Account
from pipeline.facts import Circumstances, gather, strangers
from pipeline.outline import Outline
from pipeline.plan import Change, decide
from pipeline.store.buyers import Buyers
from pipeline.store.database import Database


@dataclass(frozen=True, slots=True)
class Sketch:
    """Where the marks and what they are about are read: one account's state, and what is the same for all contacts.

    `portion`: so many contacts are looked at at once.
    """

    account: Account
    database: Database
    around: Circumstances
    portion: int

    def outline(self, adopted: Collection[str]) -> tuple[Outline, set[tuple[str, str]]]:
        """The plan of all marked contacts in outline; and who may be in which group by another's hand."""
        found, asked = Outline(self.around.as_of), set()
        for marked in self._marked():
            with self.database.transaction() as connection:
                facts = gather(connection, self.account, marked, self.around)
            asked |= strangers(facts, adopted)
            found.note(decide(facts, self.account.file.policy), facts.members)
        found.settle(self.around.groups, self.account.file.policy)
        return found, asked

    def _marked(self) -> Iterator[dict[str, bool]]:
        last = ""
        while True:
            with self.database.transaction() as connection:
                marked = Buyers(connection, self.account.name).marked(last, self.portion)
            if not marked:
                return
            yield marked
            last = list(marked)[-1]

    def changes(self, emails: Collection[str]) -> list[Change]:
        """The changes of some of the contacts, as they were when the outline was made."""
        with self.database.transaction() as connection:
            marked = Buyers(connection, self.account.name).marks_of(emails)
            facts = gather(connection, self.account, marked, self.around)
        return list(decide(facts, self.account.file.policy).changes)
