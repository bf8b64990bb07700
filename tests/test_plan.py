"""Desired - acknowledged = the plan; and the guard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import pytest

from pipeline.config import Guard, Policy
from pipeline.contact import Acknowledged, Group, KnownGroup, Membership
from pipeline.guard import fingerprint, held_leaves
from pipeline.naming import Groups
from pipeline.outline import Outline, shown
from pipeline.plan import Change, Decided, Facts, Leave, NewGroup, Preview, decide
from pipeline.project import Desired, Seat

ANNE, BOB = "anne@exemple.ca", "bob@exemple.ca"
AS_OF = date(2026, 3, 10)
RULES = Policy()
SHOW = "show:id:S1"
GENERAL = KnownGroup("general", 1, "Clients Tuxedo", deleted=False)
SONGE = KnownGroup(SHOW, 2, "Le Songe", deleted=False)


def seat(
    reach: str | None = "2026-04-01",
    booked_at: int = 10,
    cancelled_at: int | None = None,
    show: str = "S1",
    title: str = "Le Songe",
) -> Seat:
    """What the ledger says of a show's group."""
    return Seat(f"show:id:{show}", reach, booked_at, cancelled_at, title, "2026-04-01 20:00:00", show, f"R{show}")


def wanted(
    *seats: Seat, email: str = ANNE, consent: str | None = "2026-03-01", known_at: int = 10, **values: str | float
) -> Desired:
    """What the ledger asks for a contact."""
    return Desired(
        email=email,
        values=values,
        consent_date=None if consent is None else date.fromisoformat(consent),
        consent_proof="Le Songe, 2026-04-01, transaction T1",
        known_at=known_at,
        contact_ids=frozenset(),
        seats={each.group_key: each for each in seats},
    )


def sent(
    email: str = ANNE, consent: str | None = "2026-03-01", known_at: int = 10, **values: str | float
) -> Acknowledged:
    """What the platform has accepted of a contact."""
    day = None if consent is None else date.fromisoformat(consent)
    return Acknowledged(email, values, day, "Le Songe, 2026-04-01, transaction T1", "", known_at, date(2026, 3, 2))


def member_of(
    *keys: str, state: str = "in", email: str = ANNE, given_on: str = "2026-03-02", settled: bool = False
) -> dict[str, Membership]:
    """The seats that were given."""
    return {key: Membership(email, key, state, date.fromisoformat(given_on), settled) for key in keys}


def facts(
    *desired: Desired,
    known: Mapping[str, Acknowledged] | None = None,
    seats: Mapping[str, Mapping[str, Membership]] | None = None,
    groups: tuple[KnownGroup, ...] = (),
    platform: tuple[Group, ...] | None = None,
    suppressed: Mapping[str, str] | None = None,
    marked: Mapping[str, bool] | None = None,
) -> Facts:
    """The facts of a plan; everybody desired is marked, every living group is on the platform."""
    there = tuple(Group(group.platform_id, group.title, dynamic=False, size=0) for group in groups if not group.deleted)
    return Facts(
        as_of=AS_OF,
        marked={each.email: False for each in desired} if marked is None else marked,
        desired={each.email: each for each in desired},
        members=known or {},
        memberships=seats or {},
        suppressed=suppressed or {},
        groups={group.group_key: group for group in groups},
        platform=there if platform is None else platform,
    )


@dataclass(frozen=True)
class Planned:
    """A plan in outline, and what may be sent of it."""

    outline: Outline
    changes: tuple[Change, ...]
    settled: tuple[str, ...] = ()

    @property
    def preview(self) -> Preview:
        return self.outline.preview()

    @property
    def new_groups(self) -> tuple[NewGroup, ...]:
        return self.outline.new_groups

    @property
    def waiting(self) -> set[str]:
        return {email for email in (ANNE, BOB) if self.outline.waits(email)}


def outlined(*changes: Change) -> Outline:
    """These changes in outline."""
    outline = Outline(AS_OF)
    outline.note(Decided(changes, {}, (), {}))
    return outline


def allowed(outline: Outline, *changes: Change) -> tuple[Change, ...]:
    """What may be sent of these changes."""
    return tuple(each for change in changes if (each := outline.allowed(change)) is not None)


def plan(made: Facts, rules: Policy) -> Planned:
    """The plan that these facts ask for."""
    outline, decided = Outline(made.as_of), decide(made, rules)
    outline.note(decided, made.members)
    outline.settle(Groups(made.groups, made.platform), rules)
    changes = allowed(outline, *decided.changes)
    assert [shown(change) for change in changes] == list(outline.preview().changes)
    assert len(changes) == outline.preview().contacts
    settled = set(outline.quiet()) - decided.skipped.keys()
    return Planned(outline, changes, tuple(sorted(settled)))


def only(planned: Planned) -> Change:
    """The one change of a plan."""
    (change,) = planned.changes
    return change


def settled_facts(desired: Desired, *keys: str, **seat_words: object) -> Facts:
    """A contact that is acknowledged as desired but for what a test changes."""
    inside = member_of("general") | member_of(*keys, **seat_words)  # type: ignore[arg-type]
    return facts(desired, known={ANNE: sent()}, seats={ANNE: inside}, groups=(GENERAL, SONGE))


# Contacts


def test_a_new_contact_joins_the_general_group_and_its_shows_group() -> None:
    planned = plan(facts(wanted(seat())), RULES)
    change = only(planned)
    assert (change.created, change.upsert, change.joins) == (True, True, ("general", SHOW))
    assert [(group.title, group.adopt) for group in planned.new_groups] == [
        ("Clients Tuxedo", None),
        ("Le Songe", None),
    ]
    assert planned.preview.counts.contacts_created == 1


def test_a_contact_that_is_as_it_should_be_is_settled() -> None:
    planned = plan(settled_facts(wanted(seat()), SHOW), RULES)
    assert planned.changes == ()
    assert planned.settled == (ANNE,)
    assert planned.new_groups == ()


def test_only_marked_contacts_are_planned() -> None:
    assert plan(facts(wanted(seat()), marked={}), RULES).preview == Preview()


def test_a_field_that_became_empty_is_cleared_but_never_a_personal_one() -> None:
    known = sent(sales_channel="Web", city="Québec", show_title="Le Songe")
    desired = wanted(show_title="Le Songe")
    change = only(
        plan(facts(desired, known={ANNE: known}, seats={ANNE: member_of("general")}, groups=(GENERAL,)), RULES)
    )
    assert change.cleared == {"sales_channel"}
    assert change.values == {"city": "Québec", "show_title": "Le Songe"}
    assert (change.created, change.updated, change.reasons) == (False, True, ("sales_channel changed",))


def test_an_empty_personal_field_alone_is_no_change() -> None:
    known = sent(city="Québec")
    assert (
        plan(facts(wanted(), known={ANNE: known}, seats={ANNE: member_of("general")}, groups=(GENERAL,)), RULES).changes
        == ()
    )


@pytest.mark.parametrize(
    ("ours", "acknowledged", "told"), [("2026-03-05", "2026-03-01", "2026-03-05"), ("2026-03-01", "2026-03-05", None)]
)
def test_consent_is_renewed_and_never_moved_back(ours: str, acknowledged: str, told: str | None) -> None:
    made = facts(
        wanted(consent=ours),
        known={ANNE: sent(consent=acknowledged)},
        seats={ANNE: member_of("general")},
        groups=(GENERAL,),
    )
    changes = plan(made, RULES).changes
    assert [change.consent_date for change in changes] == ([date.fromisoformat(told)] if told else [])


def test_a_changed_field_goes_with_the_later_consent_that_was_acknowledged() -> None:
    known = {ANNE: replace(sent(consent="2026-03-05"), consent_proof="the later one")}
    change = only(
        plan(
            facts(wanted(sales_channel="Web"), known=known, seats={ANNE: member_of("general")}, groups=(GENERAL,)),
            RULES,
        )
    )
    assert (change.consent_date, change.consent_proof) == (date(2026, 3, 5), "the later one")


# Who is left alone


@pytest.mark.parametrize("reason", ["unsubscribed", "bounced", "unsubscribed_as"])
def test_a_suppressed_contact_is_left_alone_whatever_it_buys(reason: str) -> None:
    planned = plan(facts(wanted(seat()), suppressed={ANNE: reason}), RULES)
    assert (planned.changes, planned.new_groups) == ((), ())
    assert planned.preview.skips == {reason: 1}


@pytest.mark.parametrize(("consent", "skips"), [("2024-03-10", {}), ("2024-03-09", {"expired": 1})])
def test_an_ended_consent_is_not_sent(consent: str, skips: dict[str, int]) -> None:
    planned = plan(facts(wanted(seat(), consent=consent)), RULES)
    assert planned.preview.skips == skips
    assert len(planned.changes) == (not skips)


def test_an_expired_contact_still_leaves_a_group_it_cancelled() -> None:
    desired = wanted(seat(reach=None, cancelled_at=20), consent="2024-03-01", sales_channel="Web")
    planned = plan(settled_facts(desired, SHOW), RULES)
    change = only(planned)
    assert (change.upsert, change.leaves, planned.preview.skips) == (False, (Leave(SHOW, "cancelled"),), {"expired": 1})


def test_a_contact_whose_bookings_do_not_count_is_not_sent_if_it_never_was() -> None:
    planned = plan(facts(wanted(seat(reach=None, cancelled_at=20), consent=None)), RULES)
    assert (planned.changes, planned.new_groups, planned.preview.skips) == ((), (), {"cancelled": 1})


def test_and_keeps_what_it_has_if_it_was_sent() -> None:
    planned = plan(settled_facts(wanted(seat(reach=None, cancelled_at=20), consent=None), SHOW), RULES)
    change = only(planned)
    assert (change.upsert, change.values, change.leaves) == (False, {}, (Leave(SHOW, "cancelled"),))


# Seats


@pytest.mark.parametrize(
    ("reach", "joins"), [("2026-03-07", True), ("2026-03-06", False), ("2026-03-10", True), ("2027-01-01", True)]
)
def test_a_show_that_ended_more_than_three_days_ago_gets_no_group(reach: str, joins: bool) -> None:
    planned = plan(facts(wanted(seat(reach))), RULES)
    assert only(planned).joins == (("general", SHOW) if joins else ("general",))
    assert len(planned.new_groups) == 1 + joins


def test_a_seat_that_was_given_stays_when_the_show_is_past() -> None:
    assert plan(settled_facts(wanted(seat("2026-02-27")), SHOW, given_on="2026-03-02"), RULES).changes == ()


def test_a_seat_is_taken_when_its_booking_would_not_have_given_it() -> None:
    change = only(plan(settled_facts(wanted(seat("2026-02-26")), SHOW, given_on="2026-03-02"), RULES))
    assert change.leaves == (Leave(SHOW, "corrected"),)


@pytest.mark.parametrize(
    ("seats", "leaves"),
    [
        ([seat(reach=None, cancelled_at=20)], [Leave(SHOW, "cancelled")]),
        ([], [Leave(SHOW, "corrected")]),
        ([seat(cancelled_at=5)], []),
        ([seat()], []),
    ],
)
def test_who_leaves_and_why(seats: list[Seat], leaves: list[Leave]) -> None:
    changes = plan(settled_facts(wanted(*seats), SHOW), RULES).changes
    assert [leave for change in changes for leave in change.leaves] == leaves
    assert not any(change.upsert for change in changes)


def test_a_contact_without_bookings_keeps_the_general_group_and_its_fields() -> None:
    made = replace(settled_facts(wanted(), SHOW), desired={})
    change = only(plan(made, RULES))
    assert (change.upsert, change.leaves, change.cleared) == (False, (Leave(SHOW, "corrected"),), frozenset())


def test_nobody_leaves_a_group_for_a_purge() -> None:
    made = replace(settled_facts(wanted(), SHOW, settled=True), desired={})
    assert plan(made, RULES).changes == ()
    assert plan(settled_facts(wanted(), SHOW, settled=True), RULES).changes == ()


def test_nobody_leaves_the_groups_of_another_way_of_grouping() -> None:
    for rules in (Policy(groups="per-performance"), Policy(groups="general-only")):
        assert plan(settled_facts(wanted(), SHOW), rules).changes == ()


@pytest.mark.parametrize("groups", ["per-show", "per-performance", "general-only"])
def test_nobody_ever_leaves_the_general_group(groups: str) -> None:
    made = replace(settled_facts(wanted(), SHOW), desired={})
    leaves = [leave for change in plan(made, Policy(groups=groups)).changes for leave in change.leaves]  # type: ignore[arg-type]
    assert all(leave.group_key != "general" for leave in leaves)


def test_a_purchase_after_a_cancellation_puts_back() -> None:
    change = only(plan(settled_facts(wanted(seat(cancelled_at=5)), SHOW, state="out"), RULES))
    assert change.joins == (SHOW,)


def test_resending_sends_all_again() -> None:
    made = replace(settled_facts(wanted(seat()), SHOW), marked={ANNE: True})
    change = only(plan(made, RULES))
    assert (change.upsert, change.joins, change.reasons) == (True, ("general", SHOW), ("sent again on request",))


# Groups


GONE = (replace(GENERAL, deleted=True), replace(SONGE, deleted=True))


@pytest.mark.parametrize(("booked_at", "joins"), [(10, ()), (11, ("general", SHOW))])
def test_a_deleted_group_comes_back_only_for_a_newer_booking(booked_at: int, joins: tuple[str, ...]) -> None:
    desired = wanted(seat(booked_at=booked_at), known_at=booked_at)
    made = facts(desired, known={ANNE: sent()}, seats={ANNE: member_of("general", SHOW, state="gone")}, groups=GONE)
    planned = plan(made, RULES)
    assert tuple(key for change in planned.changes for key in change.joins) == joins
    assert [group.group_key for group in planned.new_groups] == list(joins)


def test_a_deleted_general_group_comes_back_with_whoever_is_sent() -> None:
    made = facts(
        wanted(sales_channel="Web"),
        known={ANNE: sent()},
        seats={ANNE: member_of("general", state="gone")},
        groups=GONE[:1],
    )
    assert only(plan(made, RULES)).joins == ("general",)


def test_two_shows_of_one_title_get_two_groups_and_the_second_bears_its_id() -> None:
    anne = wanted(seat(booked_at=20))
    bob = wanted(seat(booked_at=10, show="S2", title="LE SONGE"), email=BOB)
    titles = {group.group_key: group.title for group in plan(facts(anne, bob), RULES).new_groups}
    assert titles == {"general": "Clients Tuxedo", "show:id:S2": "LE SONGE", SHOW: "Le Songe #S1"}


def test_a_show_that_comes_later_gets_the_longer_title() -> None:
    planned = plan(facts(wanted(seat(show="S2", booked_at=1)), groups=(GENERAL, SONGE)), RULES)
    assert [group.title for group in planned.new_groups] == ["Le Songe #S2"]


def test_titles_that_are_cut_to_the_same_are_told_apart() -> None:
    anne, bob = wanted(seat(title="x" * 120)), wanted(seat(show="S2", title="x" * 100 + "y", booked_at=11), email=BOB)
    titles = [group.title for group in plan(facts(anne, bob), RULES).new_groups]
    assert titles == ["Clients Tuxedo", "x" * 100, "x" * 96 + " #S2"]


def test_a_show_called_like_the_general_group_is_not_it() -> None:
    titles = [group.title for group in plan(facts(wanted(seat(title="clients tuxedo"))), RULES).new_groups]
    assert titles == ["Clients Tuxedo", "clients tuxedo #S1"]


def test_a_renamed_show_keeps_its_group() -> None:
    assert plan(settled_facts(wanted(seat(title="Le Songe d'une nuit")), SHOW), RULES).new_groups == ()


def test_a_group_of_that_title_on_the_platform_is_adopted() -> None:
    there = (Group(7, " le songe ", dynamic=False, size=3), Group(1, "Clients Tuxedo", dynamic=False, size=9))
    planned = plan(facts(wanted(seat()), platform=there), RULES)
    assert {group.group_key: group.adopt for group in planned.new_groups} == {"general": 1, SHOW: 7}
    assert planned.preview.counts.groups_created == 0


@pytest.mark.parametrize("there", [[True], [False, False]])
def test_a_group_that_cannot_be_used_blocks_its_joins_and_nothing_else(there: list[bool]) -> None:
    platform = tuple(Group(number, "Le Songe", dynamic=dynamic, size=0) for number, dynamic in enumerate(there, 7))
    planned = plan(facts(wanted(seat()), platform=platform), RULES)
    assert only(planned).joins == ("general",)
    assert [(group.title, group.waiting) for group in planned.outline.blocked] == [("Le Songe", 1)]
    assert [group.group_key for group in planned.new_groups] == ["general"]
    assert planned.waiting == {ANNE}


def test_who_only_waits_for_a_blocked_group_is_not_sent_but_stays_marked() -> None:
    made = facts(
        wanted(seat()),
        known={ANNE: sent()},
        seats={ANNE: member_of("general")},
        groups=(GENERAL,),
        platform=(Group(1, "Clients Tuxedo", dynamic=False, size=1), Group(7, "Le Songe", dynamic=True, size=0)),
    )
    planned = plan(made, RULES)
    assert (planned.changes, planned.waiting, planned.settled) == ((), {ANNE}, ())


def test_a_group_that_staff_renamed_is_not_given_to_another_show() -> None:
    renamed = (Group(1, "Clients Tuxedo", dynamic=False, size=0), Group(2, "Autre", dynamic=False, size=5))
    planned = plan(facts(wanted(seat(show="S9", title="Autre")), groups=(GENERAL, SONGE), platform=renamed), RULES)
    assert [group.adopt for group in planned.new_groups] == [None]


def test_a_twins_title_that_another_show_bears_is_not_shared() -> None:
    other = KnownGroup("show:id:S3", 3, "Le Songe #S2", deleted=False)
    planned = plan(facts(wanted(seat(show="S2")), groups=(GENERAL, SONGE, other)), RULES)
    assert [group.adopt for group in planned.new_groups] == [None]


def test_per_performance_the_title_tells_the_start_and_the_twin_its_performance() -> None:
    rules = Policy(groups="per-performance")
    one = Seat("performance:id:R1", "2026-04-01", 10, None, "Le Songe", "2026-04-01 20:00:00", "S1", "R1")
    two = replace(one, group_key="performance:id:R2", booked_at=11, performance_id="R2")
    titles = [group.title for group in plan(facts(wanted(one, two)), rules).new_groups]
    assert titles == ["Clients Tuxedo", "Le Songe (2026-04-01 20:00)", "Le Songe (2026-04-01 20:00) #R2"]


# Leaving people out, and the guard


def leaving(email: str, *keys: str, upsert: bool = False) -> Change:
    """A change that leaves groups."""
    leaves = tuple(Leave(key, "cancelled") for key in keys)
    return Change(email, False, upsert, upsert, {}, frozenset(), date(2026, 3, 1), "", 10, (), leaves, ())


def test_a_group_that_nobody_needs_any_more_is_not_made() -> None:
    planned = plan(facts(wanted(seat())), RULES)
    planned.outline.leave_out({ANNE}, "deleted")
    preview = planned.preview
    assert (preview.changes, preview.new_groups, preview.skips) == ((), (), {"deleted": 1})
    assert list(planned.outline.upserts()) == []
    assert list(planned.outline.quiet()) == [ANNE]


GUARD = Guard(max_leaves=2, max_leave_ratio=0.5)


@pytest.mark.parametrize(("leaves", "memberships", "held"), [(2, 2, 0), (3, 6, 0), (3, 5, 3)])
def test_leaves_are_held_all_together_when_they_are_too_many(leaves: int, memberships: int, held: int) -> None:
    planned = [(f"p{number}@exemple.ca", SHOW) for number in range(leaves)]
    assert len(held_leaves(planned, (), memberships, GUARD)) == held


def test_what_is_held_stays_held_while_the_rest_goes_on() -> None:
    changes = leaving(ANNE, SHOW, upsert=True), leaving(BOB, SHOW)
    outline = outlined(*changes)
    held = held_leaves(outline.leaves, {(ANNE, SHOW), ("gone@exemple.ca", SHOW)}, 100, GUARD)
    assert held == {(ANNE, SHOW)}
    outline.hold(held)
    assert [(change.email, change.upsert, change.leaves) for change in allowed(outline, *changes)] == [
        (ANNE, True, ()),
        (BOB, False, (Leave(SHOW, "cancelled"),)),
    ]
    assert (outline.waits(ANNE), outline.waits(BOB)) == (True, False)
    assert outline.leavers() == [BOB]


def test_a_change_that_only_leaves_disappears_when_it_is_held() -> None:
    outline = outlined(leaving(BOB, SHOW))
    outline.hold({(BOB, SHOW)})
    assert allowed(outline, leaving(BOB, SHOW)) == ()
    assert outline.waits(BOB)
    assert list(outline.quiet()) == []


def test_an_approval_lets_only_the_held_leaves_through() -> None:
    changes = leaving(ANNE, SHOW, "show:id:S2", upsert=True), leaving(BOB, SHOW)
    outline = outlined(*changes)
    outline.only({(ANNE, SHOW)})
    assert [(change.email, change.upsert, change.leaves) for change in allowed(outline, *changes)] == [
        (ANNE, False, (Leave(SHOW, "cancelled"),))
    ]
    assert (outline.waits(ANNE), list(outline.upserts()), list(outline.quiet())) == (True, [], [])
    assert [change.email for change in outline.preview().changes] == [ANNE]


def test_the_fingerprint_knows_leaves_in_any_order() -> None:
    assert fingerprint([(ANNE, SHOW), (BOB, SHOW)]) == fingerprint([(BOB, SHOW), (ANNE, SHOW)])
    assert fingerprint([(ANNE, SHOW)]) != fingerprint([(BOB, SHOW)])
