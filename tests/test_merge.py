"""Lines -> bookings -> what each contact should be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.merge import Entries, numbered
from pipeline.project import Desired, Rules, project
from pipeline.schema import LINES, Row
from pipeline.spill import Spill

Line = dict[str, object]
MORNING = datetime(2026, 3, 1, 15, tzinfo=UTC)
ANY = Rules("per-show", "any", cancelled_counts=True)
EXACT = Rules("per-show", "exact", cancelled_counts=True)
UNCOUNTED = Rules("per-show", "any", cancelled_counts=False)


def bought(transaction: str = "T1", minute: int = 0, email: str = "anne@exemple.ca", **more: object) -> Line:
    """A purchase line, so many minutes after the morning."""
    at = MORNING + timedelta(minutes=minute)
    line: Line = dict.fromkeys(LINES.names)
    line |= {
        "line": 2,
        "operation": "purchase",
        "transaction_id": transaction,
        "transaction_at": at,
        "transaction_on": at.date(),
        "email": email,
        "show_id": "S1",
        "show_title": "Le Songe",
        "performance_id": "R1",
        "performance_start": "2026-04-01 20:00:00",
        "performance_end_on": date(2026, 4, 1),
        "tickets": 2,
        "net_cents": 10000,
    }
    return line | more


def cancelled(transaction: str = "T1", minute: int = 0, email: str | None = None, **more: object) -> Line:
    """A cancellation line; by default it carries no address."""
    return bought(transaction, minute, **{"operation": "cancellation", "net_cents": 0, **more}) | {"email": email}


class Rows(NamedTuple):
    """Ledger rows, as records."""

    bookings: list[Row]
    cancellations: list[Row]


def entries(*files: Sequence[Line], expected: int = 0, **how: int) -> Rows:
    """The ledger rows of these files; `how` says from how many lines on they are laid out on disk, and in which parts."""
    with TemporaryDirectory() as desk:
        lines = Spill(Path(desk), **how)
        lines.expect(expected)
        for number, rows in enumerate(files):
            lines.add(pa.Table.from_pylist(list(rows), schema=LINES), number)
        lines.close()
        parts = list(Entries.of(lines).parts())
    return Rows(
        [row for part in parts for row in part.bookings.to_pylist()],
        [row for part in parts for row in part.cancellations.to_pylist()],
    )


def desired(*lines: Line, rules: Rules = ANY) -> dict[str, Desired]:
    """What the policy asks for everybody in these lines."""
    found = entries(lines)
    return project(found.bookings, found.cancellations, found.bookings, rules)


def seated(*lines: Line, rules: Rules = ANY, email: str = "anne@exemple.ca") -> set[str]:
    """The groups in which a contact has a booking that counts."""
    return {key for key, seat in desired(*lines, rules=rules)[email].seats.items() if seat.reach is not None}


# Rule 1: aggregation


def test_lines_of_one_booking_become_one_purchase() -> None:
    (row,) = entries(
        [
            bought(price_category="Général", tickets=2, net_cents=10000),
            bought(price_category="Enfant", tickets=2, net_cents=6000, line=3),
        ]
    ).bookings
    assert (row["tickets"], row["net_cents"], row["price_category"]) == (4, 16000, "Général, Enfant")
    assert row["lines"] == "2,3"


def test_the_example_of_the_contract_comes_out_as_160_dollars() -> None:
    anne = desired(bought(price_category="Général"), bought(price_category="Enfant", net_cents=6000))["anne@exemple.ca"]
    assert (anne.values["tickets"], anne.values["net_amount"]) == (4, 160.0)


def test_another_performance_of_the_transaction_is_another_booking() -> None:
    found = entries([bought(), bought(performance_id="R2"), bought(performance_id="R2", line=4)])
    assert sorted(str(row["performance_key"]) for row in found.bookings) == ["id:R1", "id:R2"]


def test_without_ids_the_title_and_the_start_tell_performances_apart() -> None:
    nameless = {"show_id": None, "performance_id": None}
    found = entries(
        [
            bought(**nameless),
            bought(**nameless, show_title="LE SONGE "),
            bought(**nameless, performance_start="2026-04-02 20:00:00"),
        ]
    )
    assert sorted((str(row["performance_key"]), row["tickets"]) for row in found.bookings) == [
        ("at:le songe|2026-04-01 20:00:00", 4),
        ("at:le songe|2026-04-02 20:00:00", 2),
    ]
    assert {row["show_key"] for row in found.bookings} == {"title:le songe"}


def test_money_is_summed_in_whole_cents() -> None:
    (row,) = entries([bought(net_cents=10, line=n) for n in range(2, 1002)]).bookings
    assert row["net_cents"] == 10000


def test_zero_and_negative_amounts_are_values() -> None:
    anne = desired(bought(tickets=0, net_cents=0))["anne@exemple.ca"]
    assert (anne.values["tickets"], anne.values["net_amount"]) == (0, 0.0)
    assert desired(bought(net_cents=-1250))["anne@exemple.ca"].values["net_amount"] == -12.5


def test_what_lines_repeat_is_the_first_that_is_not_empty() -> None:
    (row,) = entries([bought(city=None), bought(city="Québec"), bought(city="Lévis")]).bookings
    assert row["city"] == "Québec"


def test_lines_of_one_cancellation_are_summed_and_other_instants_are_other_acts() -> None:
    found = entries([cancelled(minute=5), cancelled(minute=5, tickets=1), cancelled(minute=6)])
    assert sorted((row["tickets"], str(row["performance_key"])) for row in found.cancellations) == [
        (2, "id:R1"),
        (3, "id:R1"),
    ]


def test_a_booking_told_in_two_files_of_a_load_names_the_first_file_and_its_lines() -> None:
    (row,) = entries([bought(line=9)], [bought(line=2)]).bookings
    assert (row["file"], row["lines"], row["tickets"]) == (0, "9", 4)


def test_no_lines_give_no_rows() -> None:
    assert entries([]) == entries() == entries([], [], handful=0, gathered=0) == Rows([], [])


_texts = st.sampled_from([None, "Général", "Enfant", "Aîné"])


@st.composite
def _lines(draw: st.DrawFn) -> list[list[Line]]:
    """Two files' lines of a few transactions, with absences."""
    one = st.builds(
        bought,
        transaction=st.sampled_from(["T1", "T2", "T10", "é", "une réservation bien plus longue que les autres"]),
        minute=st.integers(0, 3),
        email=st.sampled_from(["anne@exemple.ca", "benoit@exemple.ca"]),
        operation=st.sampled_from(["purchase", "purchase", "cancellation"]),
        show_id=st.sampled_from([None, "S1", "S2"]),
        show_title=st.sampled_from([None, "Le Songe", "LE SONGE", "Phèdre"]),
        performance_id=st.sampled_from([None, "R1", "R2"]),
        line=st.integers(2, 99),
        city=_texts,
        client_created_on=st.sampled_from([None, date(2020, 2, 29), date(2025, 1, 1)]),
        price_category=_texts,
        price_group=_texts,
        tickets=st.integers(0, 9),
        net_cents=st.integers(-(10**12), 10**12),
    )
    return [draw(st.lists(one, max_size=8)), draw(st.lists(one, max_size=8))]


@given(_lines(), st.integers(0, 9), st.integers(0, 9), st.integers(0, 60))
@settings(deadline=None)
def test_lines_that_are_laid_out_on_disk_in_any_number_of_parts_give_the_same_rows(
    files: list[list[Line]], handful: int, gathered: int, parts: int
) -> None:
    told = [sorted(map(repr, rows)) for rows in entries(*files)]
    found = entries(*files, handful=handful, gathered=gathered, room=1, expected=parts)
    assert [sorted(map(repr, rows)) for rows in found] == told


def test_no_part_of_a_long_history_is_large(tmp_path: Path) -> None:
    lines = Spill(tmp_path, gathered=1000, room=50)
    lines.expect(10_000)
    for start in range(0, 10_000, 1000):
        block = [bought(f"T-{number}", line=number) for number in range(start, start + 1000)]
        lines.add(pa.Table.from_pylist(block, schema=LINES), 0)
    lines.close()
    sizes = [part.num_rows for part in lines.parts()]
    assert sum(sizes) == 10_000
    assert max(sizes) < 2 * 50


@given(st.lists(st.integers(-1, 2**62), max_size=50), st.integers(0, 60))
@settings(deadline=None)  # the first of many imports pandas
def test_many_values_are_numbered_as_few_are(values: list[int], many: int) -> None:
    codes, distinct = numbered(np.array(values, dtype=np.int64), many)
    assert distinct.tolist() == list(dict.fromkeys(values))
    assert [distinct[code] for code in codes] == values


@given(_lines())
@settings(deadline=None)
def test_no_ticket_and_no_cent_is_lost_or_doubled(files: list[list[Line]]) -> None:
    found = entries(*files)
    lines = [line for rows in files for line in rows if line["operation"] == "purchase"]
    for name in ("tickets", "net_cents"):
        assert sum(row[name] for row in found.bookings) == sum(line[name] for line in lines)  # type: ignore[misc]
    keys = [(row["transaction_id"], row["performance_key"]) for row in found.bookings]
    assert len(keys) == len(set(keys))
    assert {row["transaction_id"] for row in found.bookings} == {line["transaction_id"] for line in lines}


# Rules 2 and 3: the last purchase and the fields


@pytest.mark.parametrize(
    ("first", "second", "last"),
    [
        ({"minute": 0, "transaction": "T9"}, {"minute": 1}, "second"),
        ({"minute": 1}, {"minute": 0, "transaction": "T9"}, "first"),
        ({"transaction": "T10"}, {"transaction": "T9"}, "second"),
        ({"performance_start": "2026-04-02 20:00:00"}, {"performance_id": "R2"}, "first"),
        ({"performance_id": "R10"}, {"performance_id": "R9"}, "second"),
        ({"transaction": "T1", "performance_start": "2027-01-01 20:00:00"}, {"transaction": "T2"}, "second"),
    ],
)
def test_the_last_purchase_wins_and_ties_are_broken_as_text(
    first: dict[str, object], second: dict[str, object], last: str
) -> None:
    one = bought(**{"performance_id": "R1", "sales_channel": "first", **first})  # type: ignore[arg-type]
    two = bought(**{"performance_id": "R1", "sales_channel": "second", **second})  # type: ignore[arg-type]
    for lines in ((one, two), (two, one)):
        assert desired(*lines)["anne@exemple.ca"].values["sales_channel"] == last


def test_a_field_that_the_last_purchase_leaves_empty_is_empty() -> None:
    anne = desired(bought("T1", 0, sales_channel="Web"), bought("T2", 1))["anne@exemple.ca"]
    assert "sales_channel" not in anne.values


@pytest.mark.parametrize(
    "key", ["first_name", "last_name", "postal_code", "company", "phone", "city", "company_2", "contact_id"]
)
def test_the_persons_own_fields_are_the_latest_that_are_not_empty(key: str) -> None:
    lines = [bought("T1", 0, **{key: "old"}), bought("T2", 1, **{key: "new"}), bought("T3", 2)]
    assert desired(*lines)["anne@exemple.ca"].values[key] == "new"


def test_a_cancelled_purchase_still_tells_of_the_person() -> None:
    lines = [bought("T1", 0, city="Québec"), cancelled("T1", 1), bought("T2", -5, city="Lévis")]
    for rules in (ANY, UNCOUNTED):
        assert desired(*lines, rules=rules)["anne@exemple.ca"].values["city"] == "Québec"


def test_dates_are_dates_and_numbers_are_numbers() -> None:
    day = date(2026, 2, 3)
    values = desired(bought(initial_transaction_date=day, client_created_on=day, phone="0418"))[
        "anne@exemple.ca"
    ].values
    assert values["performance_date"] == "2026-04-01"
    assert values["initial_transaction_date"] == values["client_created_on"] == "2026-02-03"
    assert values["phone"] == "0418"
    assert isinstance(values["tickets"], int)
    assert isinstance(values["net_amount"], float)


def test_long_texts_are_cut_and_counted() -> None:
    anne = desired(bought(sales_channel="x" * 300, show_title="y" * 255, report_category_1="z" * 256))[
        "anne@exemple.ca"
    ]
    assert {len(str(anne.values[key])) for key in ("sales_channel", "show_title", "report_category_1")} == {255}
    assert anne.shortened == 2


# Rule 4: consent


def test_consent_is_of_the_local_day_of_the_latest_booking() -> None:
    anne = desired(
        bought("T1", 0, transaction_on=date(2026, 2, 28)), bought("T2", -99999, transaction_on=date(2025, 12, 22))
    )["anne@exemple.ca"]
    assert anne.consent_date == date(2026, 2, 28)
    assert anne.consent_proof == "Le Songe, 2026-04-01, transaction T1"


def test_a_fully_cancelled_booking_counts_for_consent_unless_told_otherwise() -> None:
    lines = [bought("T1", 0), bought("T2", 10, show_title="Autre"), cancelled("T2", 11)]
    assert desired(*lines)["anne@exemple.ca"].values["show_title"] == "Autre"
    assert desired(*lines, rules=UNCOUNTED)["anne@exemple.ca"].values["show_title"] == "Le Songe"
    assert desired(*lines, rules=UNCOUNTED)["anne@exemple.ca"].consent_proof.endswith("T1")


@pytest.mark.parametrize(("tickets", "counts"), [(1, True), (2, False), (3, False)])
def test_a_booking_that_is_cancelled_in_part_still_counts(tickets: int, counts: bool) -> None:
    anne = desired(bought(), cancelled("T1", 1, tickets=tickets), rules=UNCOUNTED)["anne@exemple.ca"]
    assert (anne.consent_date is not None) is counts


def test_parts_cancelled_one_after_the_other_add_up() -> None:
    anne = desired(bought(), cancelled("T1", 1, tickets=1), cancelled("T1", 2, tickets=1), rules=UNCOUNTED)[
        "anne@exemple.ca"
    ]
    assert anne.consent_date is None


# Rule 7: cancellations


@pytest.mark.parametrize(
    ("lines", "any_", "exact"),
    [
        ([bought()], True, True),
        ([bought(), cancelled("T1", 1)], False, False),
        ([bought(), cancelled("T1", 1, tickets=1)], False, True),
        ([bought(), cancelled("T1", 0)], False, False),
        ([bought(), cancelled("T1", 1), bought("T2", 2)], True, True),
        ([bought(), cancelled("T1", 1), bought("T2", 1)], False, True),
        ([bought(), cancelled("T1", 5, tickets=1), bought("T2", 2)], False, True),
        ([bought(), bought("T2", 2), cancelled("T1", 5), cancelled("T2", 6)], False, False),
        ([bought(), cancelled("T1", 1, tickets=9)], False, False),
        ([bought(tickets=0), bought("T2", 2), cancelled("T2", 3, tickets=1)], False, True),
    ],
)
def test_who_is_out_after_a_cancellation(lines: list[Line], any_: bool, exact: bool) -> None:
    for order in (lines, lines[::-1]):
        assert (seated(*order) == {"show:id:S1"}) is any_
        assert (seated(*order, rules=EXACT) == {"show:id:S1"}) is exact


def test_a_cancellation_takes_nobody_out_of_another_show() -> None:
    other = bought("T2", 0, show_id="S2", performance_id="R2")
    assert seated(bought(), other, cancelled("T1", 5)) == {"show:id:S2"}


@pytest.mark.parametrize("stated", [None, "bob@exemple.ca", "inconnu@exemple.ca", "anne@exemple.ca"])
def test_a_cancellation_concerns_the_buyer_of_its_transaction_whatever_address_it_carries(stated: str | None) -> None:
    lines = [bought(), bought("T2", 0, "bob@exemple.ca"), cancelled("T1", 5, stated)]
    assert seated(*lines) == set()
    assert seated(*lines, email="bob@exemple.ca") == {"show:id:S1"}


def test_a_cancellation_of_an_unknown_transaction_concerns_the_address_it_carries() -> None:
    assert seated(bought(), cancelled("INCONNUE", 5, "anne@exemple.ca")) == set()
    assert seated(bought(), cancelled("INCONNUE", -5, "anne@exemple.ca")) == {"show:id:S1"}


@pytest.mark.parametrize(
    "act",
    [
        cancelled("INCONNUE", 5),
        cancelled("INCONNUE", 5, "bob@exemple.ca"),
        cancelled("INCONNUE", 5, "anne@exemple.ca", show_id="S2"),
    ],
)
def test_a_cancellation_that_matches_nothing_changes_nothing(act: Line) -> None:
    assert desired(bought(), act) == desired(bought())


@pytest.mark.parametrize(
    "told",
    [
        {"show_id": None, "show_title": None, "performance_id": None, "performance_start": None},
        {"performance_id": None, "performance_start": None},
        {"show_title": "Le songe d'une nuit"},
        {"performance_id": "R-AUTRE"},
    ],
)
def test_a_vague_cancellation_concerns_what_its_transaction_bought(told: dict[str, object]) -> None:
    assert seated(bought(), bought("T2", 0, "bob@exemple.ca"), cancelled("T1", 5, **told)) == set()


def test_a_cancellation_that_names_no_show_takes_out_of_all_that_the_transaction_bought() -> None:
    nothing = {"show_id": None, "show_title": None, "performance_id": None, "performance_start": None}
    other = bought("T1", 0, show_id="S2", performance_id="R2")
    assert seated(bought(), other, cancelled("T1", 5, **nothing)) == set()


def test_a_cancellation_of_one_performance_leaves_the_other_shows_of_the_transaction() -> None:
    other = bought("T1", 0, show_id="S2", performance_id="R2")
    assert seated(bought(), other, cancelled("T1", 5)) == {"show:id:S2"}


# Rule 6: the seats


def test_groups_are_per_show_per_performance_or_none() -> None:
    lines = [bought(), bought("T2", 1, performance_id="R2"), bought("T3", 2, show_id="S2", performance_id="R3")]
    assert seated(*lines) == {"show:id:S1", "show:id:S2"}
    per_performance = Rules("per-performance", "any", cancelled_counts=True)
    assert seated(*lines, rules=per_performance) == {"performance:id:R1", "performance:id:R2", "performance:id:R3"}
    assert seated(*lines, rules=Rules("general-only", "any", cancelled_counts=True)) == set()


def test_per_performance_a_cancellation_leaves_the_other_performance_alone() -> None:
    rules = Rules("per-performance", "any", cancelled_counts=True)
    assert seated(bought(), bought("T2", 0, performance_id="R2"), cancelled("T1", 5), rules=rules) == {
        "performance:id:R2"
    }


def test_a_seat_reaches_as_far_as_the_last_performance_that_still_counts() -> None:
    late = {"performance_id": "R2", "performance_end_on": date(2026, 5, 1)}
    seat = desired(bought(), bought("T2", 1, **late))["anne@exemple.ca"].seats["show:id:S1"]
    assert seat.reach == "2026-05-01"
    seat = desired(bought("T1", 9), bought("T2", 1, **late), cancelled("T2", 5, **late))["anne@exemple.ca"].seats[
        "show:id:S1"
    ]
    assert seat.reach == "2026-04-01"


def test_a_booking_without_show_sits_nowhere() -> None:
    assert seated(bought(show_id=None, show_title=None)) == set()


# The whole rule 7 against a plain telling of it


@settings(max_examples=200, deadline=None)
@given(
    sales=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.sampled_from("AB")), min_size=1, max_size=5),
    acts=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5), st.integers(1, 3)), max_size=4),
    data=st.data(),
)
def test_seats_agree_with_a_plain_telling_of_the_rule(
    sales: list[tuple[int, int, str]], acts: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    buyers = {number: f"{who.lower()}@exemple.ca" for number, (_, _, who) in enumerate(sales)}
    lines = [bought(f"T{n}", at, buyers[n], tickets=count) for n, (at, count, _) in enumerate(sales)]
    lines += [cancelled(f"T{n}", at, "a@exemple.ca", tickets=count) for n, at, count in acts]
    mixed = data.draw(st.permutations(lines))
    for email in set(buyers.values()):
        own = [(at, count) for n, (at, count, _) in enumerate(sales) if buyers[n] == email]
        mine = [(at, count) for n, at, count in acts if buyers.get(n, "a@exemple.ca") == email]
        moments = [at for at, _ in mine]
        assert bool(seated(*mixed, email=email)) is any(at > max(moments, default=-1) for at, _ in own)
        left = sum(count for _, count in own) - sum(count for _, count in mine)
        assert bool(seated(*mixed, email=email, rules=EXACT)) is (left > 0 or not mine)
