"""The outbound half: ledger - acknowledged state = plan -> platform -> receipts.  It starts from the ledger alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from pipeline import aftermath, policy
from pipeline import plan as planning
from pipeline import push as pushing
from pipeline.config import Account, CyberimpactPlatform
from pipeline.contact import Acknowledged, KnownGroup, Membership, SentBatch, Stamp
from pipeline.errors import Emptied, UsageError
from pipeline.facts import gather, strangers, suppressed
from pipeline.plan import Blocked, Facts, Plan
from pipeline.platforms import Batch, Group, Outcome, Platform
from pipeline.push import Delivery, Receipts, Survey
from pipeline.store.acknowledged import State
from pipeline.store.database import Database
from pipeline.store.ledger import Ledger

Progress = Callable[[str, int, int], None]
UNNUMBERED = timedelta(days=1)
"""For how long what a batch without a number did is looked at: no batch is known to take longer."""
LISTS_STAND = timedelta(minutes=1)
"""For how long the lists of suppressed people are relied on while batches are sent."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """On whose behalf the platform is visited: the run's id, its clock (UTC), and who hears of progress."""

    run_id: str
    now: Callable[[], datetime]
    progress: Progress = field(default=lambda stage, done, total: None)

    @property
    def stamp(self) -> Stamp:
        """What is noted now is signed with this."""
        return Stamp(self.run_id, self.now())


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan, and what the platform held when it was made; `absent`: who was looked for in a group and is not in it."""

    plan: Plan
    survey: Survey
    absent: tuple[Membership, ...] = ()


class Outbound:
    """One account's way out: `refresh` what the platform knows, `prepare` a plan, `deliver` it."""

    def __init__(self, account: Account, database: Database, platform: Platform, occasion: Occasion) -> None:
        self._account = account
        self._database = database
        self._platform = platform
        self._occasion = occasion
        self._groups: list[Group] = []
        self.accepted = ""
        self._today = date.min
        self._watched = datetime.min  # noqa: DTZ901 - never yet

    # Reading the platform

    def refresh(self, today: date) -> None:
        """Read back what was in flight, who is suppressed, which groups are there.  UsageError names missing fields."""
        missing = self._platform.check_fields()
        if missing:
            raise UsageError(
                f"{self._account.name}: the platform account lacks custom fields:\n  " + "\n  ".join(missing),
                f"create them by hand in the platform, then `placier doctor {self._account.name}`",
            )
        self._groups = self._platform.groups()
        self._lose_groups()
        self._today = today
        late = self._await_batches()
        self._land()
        self._look_after(late)
        self.watch(today)

    def accept(self, fingerprint: str) -> None:
        """Take the platform for ours although it lacks what `Emptied` told with this fingerprint."""
        self.accepted = fingerprint

    def _lose_groups(self) -> None:
        """Staff deleted the groups that are not there any more; Emptied when that cannot be staff tidying up."""
        there = {group.id for group in self._groups}
        with self._database.transaction() as connection:
            state = State(connection, self._account.name)
            living = {key: group for key, group in state.groups().items() if not group.deleted}
            lost = {key for key, group in living.items() if group.platform_id not in there}
            seats, people = state.count_memberships(), state.newest_members(policy.SAMPLE)
        if lost and len(lost) == len(living) and self._platform.reads_back:
            found = self._platform.read(people)
            if policy.platform_emptied(seats, len(people), len(found)):
                self._mind(f"none of the {len(lost)} groups that Placier looks after", lost)
        with self._database.transaction() as connection:
            State(connection, self._account.name).lose_groups(lost)

    def _mind(self, what: str, lacking: Collection[str]) -> None:
        """Emptied, unless exactly this was accepted."""
        fingerprint = hashlib.sha256("\n".join(sorted(lacking)).encode()).hexdigest()
        if fingerprint != self.accepted:
            name = self._account.name
            raise Emptied(
                f"{name}: the platform has {what}: it is another account's, or somebody emptied it; nothing was sent",
                f"`placier doctor {name}` names the account that the token opens; if this is meant, `placier push {name}`, "
                f"then approve the run that `placier status {name}` names",
                len(lacking),
                fingerprint,
            )

    def _await_batches(self) -> list[SentBatch]:
        """Wait for the batches of a run that was cut short; gives those that a run has gone on without.

        One whose number never came cannot be asked for: what it did is looked at until the day after the next.
        """
        with self._database.transaction() as connection:
            sent = State(connection, self._account.name).batches()
        late = []
        for batch in sent:
            ended = all(self._platform.ended(number, patient=not batch.late) for number in batch.numbers)
            over = ended and (bool(batch.numbers) or batch.sent_on + UNNUMBERED < self._today)
            with self._database.transaction() as connection:
                state = State(connection, self._account.name)
                state.close_batch(batch.id) if over else state.go_on_without(batch.id)
            if batch.late and ended:
                late.append(batch)
        return late

    def _land(self) -> None:
        with self._database.transaction() as connection:
            state = State(connection, self._account.name)
            flown = state.flights()
            emails = [flight.email for flight in flown]
            known, seats, groups = state.members(emails), state.memberships(emails), state.groups()
        if not flown:
            return
        arrived, found = aftermath.land(flown, known, seats, groups, self._platform)
        with self._database.transaction() as connection:
            state = State(connection, self._account.name)
            state.acknowledge(arrived, found, self._occasion.stamp)
            state.land(emails)

    def _look_after(self, late: Sequence[SentBatch]) -> None:
        """Whom a late batch has changed since is as the platform shows it, and is sent again."""
        emails = sorted({email for batch in late for email in batch.emails})
        if not emails:
            return
        with self._database.transaction() as connection:
            state = State(connection, self._account.name)
            known, seats, groups = state.members(emails), state.memberships(emails), state.groups()
        flown = aftermath.strays(late, groups, known, self._today)
        arrived, found = aftermath.land(flown, known, seats, groups, self._platform)
        found = [seat for seat in found if seat.state == "in"]  # a batch takes nobody out: that was staff
        with self._database.transaction() as connection:
            State(connection, self._account.name).acknowledge(arrived, found, self._occasion.stamp)
            Ledger(connection, self._account.name).mark_people(aftermath.overtaken(arrived, found, known))

    def watch(self, today: date) -> None:
        """Remember the addresses that the platform says are unsubscribed or bounced."""
        with self._database.transaction() as connection:
            known = set(State(connection, self._account.name).suppressions())
        self._watched = self._occasion.now()
        found = self._platform.suppressed(known)
        with self._database.transaction() as connection:
            State(connection, self._account.name).suppress(found, today, self._occasion.stamp)

    def watch_again(self, today: date) -> int:
        """At the end of a run: who is suppressed now; and how many that we know as suppressed are members again.

        Each of them is counted once, and never written to all the same.  Only who is on neither list is looked for.
        """
        found = self._platform.suppressed(())
        with self._database.transaction() as connection:
            state = State(connection, self._account.name)
            state.suppress(found, today, self._occasion.stamp)
            unlisted = state.unlisted(found)
        if not unlisted or not self._platform.reads_back:
            return 0
        back = self._platform.read(unlisted)
        with self._database.transaction() as connection:
            State(connection, self._account.name).come_back(back, today, self._occasion.stamp)
        return len(back)

    # Planning

    def prepare(self, as_of: date) -> Prepared:
        """The plan for the marked contacts; those whom staff deleted come back only if they bought since."""
        prepared, known = self._plan(as_of)
        alone, back = pushing.vanished(prepared.plan, known, prepared.survey, self._platform)
        asked = sum(change.upsert and change.email in known for change in prepared.plan.changes)
        if policy.too_many_vanished(len(alone | back), asked):
            self._mind(f"not {len(alone | back)} of the {asked} contacts to be updated, whom it had", alone | back)
        if back:
            with self._database.transaction() as connection:
                State(connection, self._account.name).forget_members(back)
            prepared, _ = self._plan(as_of)
        return replace(prepared, plan=prepared.plan.without(alone, "deleted"))

    def _plan(self, as_of: date) -> tuple[Prepared, dict[str, Acknowledged]]:
        facts = self._facts(as_of)
        planned = planning.plan(facts, self._account.file.policy)
        adopted = {new.group_key: new.adopt for new in planned.new_groups if new.adopt is not None}
        if adopted:
            with self._database.transaction() as connection:
                Ledger(connection, self._account.name).mark_cancelled(adopted)
            facts = self._facts(as_of)
        facts, absent = self._with_strangers(facts, adopted)
        planned = planning.plan(facts, self._account.file.policy)
        found = pushing.survey(planned, self._platform, self._account.file.policy.consent_months)
        return Prepared(planned, found, absent), dict(facts.members)

    def _facts(self, as_of: date) -> Facts:
        with self._database.transaction() as connection:
            return gather(connection, self._account, as_of, self._groups)

    def _with_strangers(self, facts: Facts, adopted: Mapping[str, int]) -> tuple[Facts, tuple[Membership, ...]]:
        """The facts with the seats that somebody else gave to people who cancelled: rule 7 takes those away too."""
        asked = strangers(facts, adopted)
        if not asked or not self._platform.reads_back:
            return facts, ()
        ids = {key: group.platform_id for key, group in facts.groups.items() if not group.deleted} | dict(adopted)
        wanted = {ids[key] for _, key in asked}
        there = self._platform.memberships(
            sorted({email for email, _ in asked}), [group for group in facts.platform if group.id in wanted]
        )
        inside = {(email, key) for email, key in asked if (email, ids[key]) in there}
        seats = {email: dict(held) for email, held in facts.memberships.items()}
        for email, key in inside:
            seats.setdefault(email, {})[key] = Membership(email, key, "in", facts.as_of)
        absent = tuple(Membership(email, key, "out", facts.as_of) for email, key in sorted(asked - inside))
        return replace(facts, memberships=seats), absent

    # Sending

    def deliver(self, prepared: Prepared) -> Receipts:
        """Create the groups, note what is in flight, send, read back, note the receipts."""
        created, refused = self._make_groups(prepared.plan)
        planned = prepared.plan.blocking(refused)
        with self._database.transaction() as connection:
            state = State(connection, self._account.name)
            state.depart(pushing.flights(planned))
            groups = state.groups()
        receipts = pushing.push(planned, prepared.survey, self._delivery(groups))
        if not self._platform.reads_back:
            self._platform.close()
        self.acknowledge(planned, replace(receipts, seats=(*prepared.absent, *receipts.seats)))
        blocked = planned.blocked[len(prepared.plan.blocked) :]
        return replace(receipts, pushed=replace(receipts.pushed, groups_created=created), blocked=blocked)

    def _delivery(self, groups: dict[str, KnownGroup]) -> Delivery:
        settings = self._account.file.platform
        size = settings.batch_size if isinstance(settings, CyberimpactPlatform) else 1_000_000
        return Delivery(
            platform=self._platform,
            upsert=self._upsert,
            groups=groups,
            batch_size=size,
            language=self._account.file.language,
            consent_months=self._account.file.policy.consent_months,
            tell=lambda done, total: self._occasion.progress("push", done, total),
        )

    def _upsert(self, batch: Batch) -> Outcome:
        """Send a batch, noted before it leaves and until its end is known; without those who left in the meantime."""
        left = self._left_meanwhile([person.email for person in batch.people])
        batch = replace(batch, people=tuple(person for person in batch.people if person.email not in left))
        emails = [person.email for person in batch.people]
        if not emails:
            return Outcome(True, left)
        with self._database.transaction() as connection:
            noted = State(connection, self._account.name).open_batch(emails, batch.groups, self._today)

        def taken(number: int) -> None:
            with self._database.transaction() as connection:
                State(connection, self._account.name).number_batch(noted, number)

        outcome = self._platform.upsert(batch, taken)
        with self._database.transaction() as connection:
            state = State(connection, self._account.name)
            state.close_batch(noted) if outcome.finished else state.go_on_without(noted)
        return replace(outcome, refused={**outcome.refused, **left})

    def _left_meanwhile(self, emails: Collection[str]) -> dict[str, str]:
        """Who of these is suppressed by now, and why; the lists are read again once they have stood for a minute."""
        if self._occasion.now() - self._watched < LISTS_STAND:
            return {}
        self.watch(self._today)
        with self._database.transaction() as connection:
            ledger, state = Ledger(connection, self._account.name), State(connection, self._account.name)
            found = suppressed(ledger, state, emails, {})
        return {email: f"{reason} while the run was under way" for email, reason in found.items()}

    def _make_groups(self, planned: Plan) -> tuple[int, dict[str, Blocked]]:
        """Create or adopt the groups; how many were created, and those whose title the platform refused."""
        created, refused = 0, {}
        for new in planned.new_groups:
            group_id = new.adopt
            if group_id is None:
                made = self._platform.create_group(new.title)
                if isinstance(made, str):
                    refused[new.group_key] = Blocked(new.title, f"the platform refused the title: {made}", 0)
                    continue
                group_id = made.id
                created += 1
            with self._database.transaction() as connection:
                State(connection, self._account.name).know_group(KnownGroup(new.group_key, group_id, new.title, False))
        return created, refused

    def acknowledge(self, planned: Plan, receipts: Receipts) -> None:
        """Note the receipts in one transaction; who was accepted, or left alone, loses the mark."""
        handled = {change.email for change in planned.changes}
        skipped = {email for emails in planned.skipped.values() for email in emails}
        done = (handled | skipped | set(planned.settled)) - planned.waiting - set(receipts.refused)
        with self._database.transaction() as connection:
            state = State(connection, self._account.name)
            before = state.memberships({seat.email for seat in receipts.seats})
            seats = [_continued(seat, before.get(seat.email, {}).get(seat.group_key)) for seat in receipts.seats]
            state.acknowledge(receipts.accepted, seats, self._occasion.stamp)
            state.land(handled)
            Ledger(connection, self._account.name).unmark(done)


def _continued(seat: Membership, before: Membership | None) -> Membership:
    """A seat that was taken already keeps the day on which it was given."""
    return before if before is not None and before.state == seat.state == "in" else seat
