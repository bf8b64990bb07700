"""The outbound half: ledger - acknowledged state = plan -> platform -> receipts.  It starts from the ledger alone."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from pipeline import aftermath, policy
from pipeline import push as pushing
from pipeline.config import Account, CyberimpactPlatform
from pipeline.contact import Flight, KnownGroup, Membership, SentBatch
from pipeline.dispatch import Dispatch, Occasion, Prepared
from pipeline.errors import Emptied, UsageError
from pipeline.facts import Circumstances, Silenced, suppressed
from pipeline.naming import Groups
from pipeline.outline import Outline
from pipeline.plan import Blocked, Change, Decided, NewGroup
from pipeline.platforms import Batch, Group, Outcome, Platform
from pipeline.push import Delivered, Delivery
from pipeline.sighting import Sighting
from pipeline.sketch import Sketch
from pipeline.spool import parts
from pipeline.store.acknowledged import State
from pipeline.store.database import Database
from pipeline.store.ledger import Ledger

_NEVER = datetime.min  # noqa: DTZ901 - as all times of a run
UNNUMBERED = timedelta(days=1)
"""For how long what a batch without a number did is looked at: no batch is known to take longer."""
LISTS_STAND = timedelta(seconds=10)
"""For how long the lists of suppressed people are relied on while people are sent; or ten times as long as they take to read."""


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
        self._lists_stand_until = _NEVER
        self._left: dict[str, str] = {}
        self._some_left = False

    # Reading the platform

    def refresh(self, today: date) -> None:
        """Read back what was in flight, who is suppressed, which groups are there.  UsageError names missing fields."""
        self._occasion.progress("look", 0, 0)
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
            all_lost = bool(lost) and len(lost) == len(living) and self._platform.reads_back
            seats, people = (state.count_memberships(), state.newest_members(policy.SAMPLE)) if all_lost else (0, [])
        if all_lost:
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
        """What is in flight from a run that was cut short is read back."""
        groups = self._known_groups()
        keys: set[str] = set()
        for flown in self._flown():
            keys |= aftermath.living(flown, groups)
        seen = Sighting(self._platform)
        seen.look(flight.email for flown in self._flown() for flight in flown)
        seen.look_in(
            (flight.email for flown in self._flown() for flight in flown), [groups[key] for key in sorted(keys)]
        )
        for flown in self._flown():
            with self._database.transaction() as connection:
                state = State(connection, self._account.name)
                emails = [flight.email for flight in flown]
                arrived, found = aftermath.land(flown, state.members(emails), state.memberships(emails), groups, seen)
                state.acknowledge(arrived, found, self._occasion.stamp)
                state.land(emails)

    def _flown(self) -> Iterator[list[Flight]]:
        """What is in flight, some thousands at a time."""
        last = ""
        while True:
            with self._database.transaction() as connection:
                flown = State(connection, self._account.name).flights(last, self._occasion.portion)
            if not flown:
                return
            yield flown
            last = flown[-1].email

    def _known_groups(self) -> dict[str, KnownGroup]:
        with self._database.transaction() as connection:
            return State(connection, self._account.name).groups()

    def _look_after(self, late: Sequence[SentBatch]) -> None:
        """Whom a late batch has changed since is as the platform shows it, and is sent again."""
        emails = sorted({email for batch in late for email in batch.emails})
        if not emails:
            return
        with self._database.transaction() as connection:
            state = State(connection, self._account.name)
            known, seats, groups = state.members(emails), state.memberships(emails), state.groups()
        flown = aftermath.strays(late, groups, known, self._today)
        seen = Sighting(self._platform)
        seen.look(emails)
        seen.look_in(emails, [groups[key] for key in sorted(aftermath.living(flown, groups))])
        arrived, found = aftermath.land(flown, known, seats, groups, seen)
        found = [seat for seat in found if seat.state == "in"]  # a batch takes nobody out: that was staff
        with self._database.transaction() as connection:
            State(connection, self._account.name).acknowledge(arrived, found, self._occasion.stamp)
            Ledger(connection, self._account.name).mark_people(aftermath.overtaken(arrived, found, known))

    def watch(self, today: date) -> int:
        """Remember the addresses that the platform says are unsubscribed or bounced; how many are new."""
        with self._database.transaction() as connection:
            known = set(State(connection, self._account.name).suppressions())
        began = self._occasion.now()
        found = self._platform.suppressed(known)
        self._lists_stand_until = began + max(LISTS_STAND, 10 * (self._occasion.now() - began))
        with self._database.transaction() as connection:
            return self._suppress(State(connection, self._account.name), found, today)

    def _suppress(self, state: State, found: Mapping[str, tuple[str, date | None]], today: date) -> int:
        kept_from = policy.retention_start(today, self._account.file.policy.retention_months)
        return state.suppress(found, today, self._occasion.stamp, kept_from=kept_from)

    def watch_again(self, today: date) -> int:
        """At the end of a run: who is suppressed now; and how many that we know as suppressed are members again.

        Each of them is counted once, and never written to all the same.  Only who is on neither list is looked for.
        """
        found = self._platform.suppressed(())
        with self._database.transaction() as connection:
            state = State(connection, self._account.name)
            self._suppress(state, found, today)
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
        prepared = self._plan(as_of)
        alone, back, asked = self._vanished(prepared)
        if policy.too_many_vanished(len(alone | back), asked):
            self._mind(f"not {len(alone | back)} of the {asked} contacts to be updated, whom it had", alone | back)
        if back:
            with self._database.transaction() as connection:
                State(connection, self._account.name).forget_members(back)
            prepared = self._plan(as_of)
        prepared.outline.leave_out(alone, "deleted")
        return prepared

    def prepared(self, as_of: date, changes: Mapping[str, Change]) -> Prepared:
        """These changes as a plan, which takes no mark away: who was waiting for another reason still waits."""
        outline = Outline(as_of)
        outline.note(Decided(tuple(changes.values()), {}, (), {}))
        outline.wait(changes)
        return self._seen(Prepared(outline, Sighting(self._platform), lambda emails: [changes[one] for one in emails]))

    def _plan(self, as_of: date) -> Prepared:
        here = self._occasion
        sketch = Sketch(self._account, self._database, self._circumstances(as_of), here.portion, here.progress)
        outline, asked = sketch.outline(())
        adopted = outline.adopted
        if adopted:
            with self._database.transaction() as connection:
                Ledger(connection, self._account.name).mark_cancelled(adopted)
            outline, asked = sketch.outline(adopted)
        inside = self._inside(asked, adopted)
        if inside:
            people = {email: frozenset(key for one, key in inside if one == email) for email, _ in inside}
            sketch = replace(sketch, around=replace(sketch.around, inside=people))
            outline, _ = sketch.outline(adopted)
        absent = (
            [Membership(*pair, "out", as_of) for pair in sorted(asked - inside)] if self._platform.reads_back else []
        )
        return self._seen(Prepared(outline, Sighting(self._platform), sketch.changes, tuple(absent)))

    def _circumstances(self, as_of: date) -> Circumstances:
        with self._database.transaction() as connection:
            state = State(connection, self._account.name)
            return Circumstances(as_of, Groups(state.groups(), self._groups), Silenced.of(state))

    def _inside(self, asked: Collection[tuple[str, str]], adopted: Mapping[str, int]) -> set[tuple[str, str]]:
        """The seats that somebody else gave to people who cancelled: rule 7 takes those away too."""
        if not asked or not self._platform.reads_back:
            return set()
        known = self._known_groups()
        ids = {key: group.platform_id for key, group in known.items() if not group.deleted} | dict(adopted)
        wanted = {ids[key] for _, key in asked}
        emails = sorted({email for email, _ in asked})
        there = self._platform.memberships(emails, [group for group in self._groups if group.id in wanted])
        return {(email, key) for email, key in asked if (email, ids[key]) in there}

    def _seen(self, prepared: Prepared) -> Prepared:
        """See what the platform holds of the contacts to be sent, and whose consent there is better than ours."""
        if self._platform.reads_back:
            prepared.seen.look(prepared.outline.upserts())
            for emails in parts(prepared.seen.members(), self._occasion.portion):
                ours = [(c.email, c.consent_date) for c in prepared.changes(emails) if c.consent_date is not None]
                months = self._account.file.policy.consent_months
                better = pushing.better_consents(ours, prepared.seen.read(emails), self._platform, months)
                prepared.outline.set_aside(better.items())
        return prepared

    def _vanished(self, prepared: Prepared) -> tuple[set[str], set[str], int]:
        """Contacts of ours that staff deleted on the platform: those to leave alone, those who bought since; of how many."""
        alone: set[str] = set()
        back: set[str] = set()
        asked = 0
        for expected in parts(prepared.outline.expected(), self._occasion.portion):
            asked += len(expected)
            there = prepared.seen.read(email for email, _ in expected) if self._platform.reads_back else dict(expected)
            for email, returns in expected:
                if email not in there:
                    (back if returns else alone).add(email)
        return alone, back, asked

    # Sending

    def deliver(self, prepared: Prepared) -> Delivered:
        """Create the groups, note what is in flight, send, read back, note the receipts."""
        outline = prepared.outline
        created, refused = self._make_groups(outline.new_groups)
        self._lists_stand_until = _NEVER  # all that was read and made since then took its time
        blocked = len(outline.blocked)
        outline.block(refused)
        dispatch = Dispatch(
            account=self._account.name,
            database=self._database,
            prepared=prepared,
            delivery=Delivery(
                self._platform, self._upsert, self._left_meanwhile, self._known_groups(), self._account.file.language
            ),
            occasion=self._occasion,
        )
        settings = self._account.file.platform
        dispatch.send(settings.batch_size if isinstance(settings, CyberimpactPlatform) else 1_000_000)
        if not self._platform.reads_back:
            self._platform.close()
        counts, refusals = dispatch.receive()
        refusals = {email: why for email, why in refusals.items() if email not in self._left}
        return Delivered(replace(counts, groups_created=created), refusals, outline.blocked[blocked:], dict(self._left))

    def _upsert(self, batch: Batch) -> Outcome:
        """Send a batch, noted before it leaves and until its end is known; without those who left in the meantime."""
        left = self._left_meanwhile([person.email for person in batch.people])
        batch = replace(batch, people=tuple(person for person in batch.people if person.email not in left))
        emails = [person.email for person in batch.people]
        if not emails:
            return Outcome(True, left)
        if not self._platform.reads_back:  # a file is written when it answers: there is no end to wait for
            outcome = self._platform.upsert(batch)
            return replace(outcome, refused={**outcome.refused, **left})
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
        """Who of these is suppressed by now, and why; the lists are read again before the first, and when they have stood."""
        if self._occasion.now() >= self._lists_stand_until:
            self._some_left |= self.watch(self._today) > 0
        if not self._some_left:
            return {}
        with self._database.transaction() as connection:
            ledger, state = Ledger(connection, self._account.name), State(connection, self._account.name)
            found = suppressed(ledger, state, emails, {})
        self._left.update(found)
        return {email: f"{reason} while the run was under way" for email, reason in found.items()}

    def _make_groups(self, groups: Sequence[NewGroup]) -> tuple[int, dict[str, Blocked]]:
        """Create or adopt the groups; how many were created, and those whose title the platform refused."""
        created, refused = 0, {}
        for new in groups:
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
