"""From the marks to the outline of a plan, some thousands of contacts at a time; and their changes again when they are sent.

A plan of no more contacts than are looked at at once is kept as it was decided: few nights have a larger one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, field

from pipeline.config import Account
from pipeline.facts import Circumstances, gather, rules_of, strangers
from pipeline.forgotten import PREFIX
from pipeline.outline import Outline
from pipeline.plan import Change, Facts, decide, first_reach, need
from pipeline.project import group_key
from pipeline.quick import Known, Quick
from pipeline.spool import parts
from pipeline.store.buyers import Buyers
from pipeline.store.database import Database
from pipeline.touched import Touched


@dataclass(frozen=True, slots=True)
class Sketch:
    """Where the marks and what they are about are read: one account's state, and what is the same for all contacts.

    `portion`: so many contacts are looked at at once.
    """

    account: Account
    database: Database
    around: Circumstances
    portion: int
    progress: Callable[[str, int, int], None] = field(default=lambda stage, done, total: None)
    kept: dict[str, Change] = field(default_factory=dict)

    def outline(self, adopted: Collection[str]) -> tuple[Outline, set[tuple[str, str]]]:
        """The plan of all marked contacts in outline; and who may be in which group by another's hand."""
        found, asked = Outline(self.around.as_of), set()
        with self.database.transaction(reading=True) as connection:
            total = Buyers(connection, self.account.name).pending()
        self.progress("plan", 0, total)
        self.kept.clear()
        whole = total <= self.portion
        for marked in self._after_the_quick(found, total, adopted):
            with self.database.transaction() as connection:
                facts = gather(connection, self.account, marked, self.around, bare=not whole)
            asked |= strangers(facts, adopted)
            decided = decide(facts, self.account.file.policy)
            found.note(decided, facts.members)
            if whole:
                self.kept.update({change.email: change for change in decided.changes})
            self.progress("plan", found.noted, total)
        found.settle(self.around.groups, self.account.file.policy)
        return found, asked

    def _after_the_quick(self, found: Outline, pending: int, adopted: Collection[str]) -> Iterator[dict[str, bool]]:
        """Note all who are ordinary in one pass, if most of many marked contacts may be; gives the others, part by part."""
        silenced, groups = self.around.silenced, self.around.groups
        with self.database.transaction(reading=True) as connection:
            few = pending <= self.portion or Buyers(connection, self.account.name).known() > pending
        hidden = any(email.startswith(PREFIX) for email in silenced.known)  # under a hash: nobody is found by it
        if few or hidden:
            return self._marked()
        living = frozenset(key for key in groups.known if groups.living(key))
        rules = self.account.file.policy
        first, quick = first_reach(self.around.as_of, rules.show_grace_days), Quick(found, rules, living, adopted)
        with self.database.transaction(reading=True) as connection:
            buyers = Buyers(connection, self.account.name)
            coming = buyers.coming(rules.groups, first)
            keys = living.union(adopted, (group_key(name, name, rules.groups) or "" for name in coming))
            with closing(buyers.acts()) as acts, closing(buyers.touched()) as sold:
                touched = Touched(acts, sold, rules_of(self.account), keys)
            with (
                closing(buyers.all_marked()) as marked,
                closing(buyers.odd(silenced.old_ids)) as odd,
                closing(buyers.days(untouched=not rules.cancelled_counts)) as days,
                closing(buyers.seats(rules.groups, first, coming)) as seats,
            ):
                for _ in quick.go(marked, Known(odd, days, seats, touched.deeds()), self.portion):
                    self.progress("plan", found.noted, pending)
        self._name(quick, found)
        return quick.others(self.portion)

    def _name(self, quick: Quick, found: Outline) -> None:
        """The groups that are not there are named after their oldest seats, which the full way tells."""
        named: dict[str, list[str]] = {}
        for key, (_, whose) in quick.oldest.items():
            for email in whose:
                named.setdefault(email, []).append(key)
        for emails in parts(sorted(named), self.portion):
            for email, desired in self._facts(emails).desired.items():
                for key in named[email]:
                    need(found.needed, key, desired.seats[key])

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
        if self.kept:
            return [self.kept[email] for email in sorted(emails) if email in self.kept]
        return list(decide(self._facts(emails), self.account.file.policy).changes)

    def _facts(self, emails: Collection[str]) -> Facts:
        with self.database.transaction() as connection:
            marked = Buyers(connection, self.account.name).marks_of(emails)
            return gather(connection, self.account, marked, self.around)
