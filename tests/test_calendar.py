"""24 months as the law counts them: whole calendar months from the local day of the purchase, through their last day.

Canada's anti-spam law, S.C. 2010, c. 23, s. 10(10): a purchase within the two years before the message.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from world import World, buy, text

from pipeline import mapping, policy
from pipeline.read import read

TORONTO = ZoneInfo("America/Toronto")
TUXEDO = mapping.load(mapping.find("tuxedo", None))
EARLY, LATE = "avant@exemple.ca", "apres@exemple.ca"


@pytest.mark.parametrize(
    ("start", "months", "last"),
    [
        # any day
        ("2024-03-15", 24, "2026-03-15"),
        ("2024-03-01", 24, "2026-03-01"),
        # leap days
        ("2024-02-29", 24, "2026-02-28"),
        ("2024-02-28", 24, "2026-02-28"),
        ("2022-02-28", 24, "2024-02-28"),
        ("2022-03-01", 24, "2024-03-01"),
        ("2024-02-29", 48, "2028-02-29"),
        ("2096-02-29", 48, "2100-02-28"),
        # ends of months
        ("2024-01-31", 24, "2026-01-31"),
        ("2024-04-30", 24, "2026-04-30"),
        ("2024-12-31", 2, "2025-02-28"),
        ("2023-12-31", 2, "2024-02-29"),
        ("2024-03-31", 1, "2024-04-30"),
        ("2024-04-30", 1, "2024-05-30"),
        # years
        ("2024-12-31", 24, "2026-12-31"),
        ("2025-01-01", 24, "2027-01-01"),
        ("2024-11-15", 2, "2025-01-15"),
        # other terms
        ("2024-08-31", 6, "2025-02-28"),
        ("2024-08-31", 36, "2027-08-31"),
        ("2024-02-29", 1, "2024-03-29"),
        ("2024-02-29", 120, "2034-02-28"),
    ],
)
def test_consent_lasts_through_its_last_day_and_not_one_more(start: str, months: int, last: str) -> None:
    begun, end = date.fromisoformat(start), date.fromisoformat(last)
    assert policy.consent_until(begun, months) == end
    days = (begun, end - timedelta(days=1), end, end + timedelta(days=1))
    assert [policy.consent_ended(begun, months, day) for day in days] == [False, False, False, True]


@given(st.dates(date(2020, 1, 1), date(2032, 12, 31)), st.integers(1, 36))
@example(date(2026, 3, 31), 1)  # 28 February lasts until 28 March
@example(date(2028, 2, 29), 24)
@example(date(2026, 2, 28), 24)
def test_the_first_consent_that_lasts_is_one_day_after_the_last_that_has_ended(on: date, months: int) -> None:
    first = policy.first_lasting(on, months)
    assert not policy.consent_ended(first, months, on)
    assert policy.consent_ended(first - timedelta(days=1), months, on)


# The day of a purchase is the day on the account's calendar


LOCAL_DAYS = [
    # what the file says, the day in Toronto, the instant
    ("2026-01-31 23:59:59", "2026-01-31", "2026-02-01T04:59:59"),
    ("2026-02-01T04:59:59Z", "2026-01-31", "2026-02-01T04:59:59"),
    ("2026-02-01T05:00:00Z", "2026-02-01", "2026-02-01T05:00:00"),
    ("2026-07-02T03:59:59Z", "2026-07-01", "2026-07-02T03:59:59"),
    ("2026-07-02T04:00:00Z", "2026-07-02", "2026-07-02T04:00:00"),
    # leap day
    ("2024-03-01T04:59:59Z", "2024-02-29", "2024-03-01T04:59:59"),
    ("2024-03-01T05:00:00Z", "2024-03-01", "2024-03-01T05:00:00"),
    # the clock goes forward on 2026-03-08: 23 hours, and no 02:30
    ("2026-03-08T04:59:59Z", "2026-03-07", "2026-03-08T04:59:59"),
    ("2026-03-08 01:59:59", "2026-03-08", "2026-03-08T06:59:59"),
    ("2026-03-08 02:30:00", "2026-03-08", "2026-03-08T07:30:00"),
    ("2026-03-08 03:00:00", "2026-03-08", "2026-03-08T07:00:00"),
    ("2026-03-09T03:59:59Z", "2026-03-08", "2026-03-09T03:59:59"),
    ("2026-03-09T04:00:00Z", "2026-03-09", "2026-03-09T04:00:00"),
    # and back on 2025-11-02: 25 hours, and 01:30 twice
    ("2025-11-02T03:59:59Z", "2025-11-01", "2025-11-02T03:59:59"),
    ("2025-11-02 01:30:00", "2025-11-02", "2025-11-02T05:30:00"),
    ("2025-11-02T01:30:00-04:00", "2025-11-02", "2025-11-02T05:30:00"),
    ("2025-11-02T01:30:00-05:00", "2025-11-02", "2025-11-02T06:30:00"),
    ("2025-11-03T04:59:59Z", "2025-11-02", "2025-11-03T04:59:59"),
    ("2025-11-03T05:00:00Z", "2025-11-03", "2025-11-03T05:00:00"),
    # the end of a year
    ("2025-12-31 23:59:59", "2025-12-31", "2026-01-01T04:59:59"),
    ("2026-01-01T04:59:59Z", "2025-12-31", "2026-01-01T04:59:59"),
    ("2026-01-01T05:00:00Z", "2026-01-01", "2026-01-01T05:00:00"),
    # offsets of elsewhere
    ("2026-01-31T23:30:00-08:00", "2026-02-01", "2026-02-01T07:30:00"),
    ("2026-02-01T13:59:00+09:00", "2026-01-31", "2026-02-01T04:59:00"),
    ("2026-01-31T20:59:59.999-08:00", "2026-01-31", "2026-02-01T04:59:59.999"),
    # no time at all: that day, whatever the zone
    ("2026-03-08", "2026-03-08", "2026-03-08T05:00:00"),
]


def test_a_purchase_is_of_the_day_on_the_accounts_calendar(tmp_path: Path) -> None:
    path = tmp_path / "jour.csv"
    path.write_text(text(buy(f"T{n}", told, EARLY) for n, (told, _, _) in enumerate(LOCAL_DAYS)), encoding="utf-8")
    reading = read(path, TUXEDO, TORONTO, date(2026, 12, 31), role="purchases")
    assert reading.rejects == ()
    found = zip(
        reading.lines.column("transaction_on").to_pylist(),
        reading.lines.column("transaction_at").to_pylist(),
        strict=True,
    )
    for (told, day, instant), (on, at) in zip(LOCAL_DAYS, found, strict=True):
        assert (told, on, at) == (told, date.fromisoformat(day), datetime.fromisoformat(instant).replace(tzinfo=UTC))


# Through the whole program


@pytest.mark.parametrize(
    ("as_of", "sent", "expired"),
    [("2026-02-28", {EARLY, LATE}, 0), ("2026-03-01", {LATE}, 1), ("2026-03-02", set(), 2)],
)
def test_the_second_before_midnight_in_toronto_decides_the_last_day(
    world: World, as_of: str, sent: set[str], expired: int
) -> None:
    """One second lies between a leap day's purchase (2024-02-29, through 2026-02-28) and the next day's (2026-03-01)."""
    world.history([buy("T1", "2024-03-01T04:59:59Z", EARLY), buy("T2", "2024-03-01T05:00:00Z", LATE)])
    answer = world.placier("backfill", "demo", "--as-of", as_of)
    assert answer.code == 0, answer.out
    assert set(world.content()) == sent
    assert answer.run["plan"]["skipped"] == ({"expired": expired} if expired else {})
    for email, last in ((EARLY, "2026-02-28"), (LATE, "2026-03-01")):
        told = world.placier("why", "demo", email, "--on", as_of).json
        assert (told["consent_until"], told["may_send"]) == (last, as_of <= last)
        if email in sent:
            assert world.member(email).consent.date == date(2024, 2, 29) + timedelta(days=email == LATE)


def test_another_term_counts_the_same_way(world: World) -> None:
    world.set(policy={"consent_months": 1})
    world.day("2026-01-31", [buy("T1", "2026-01-31 23:59:59", EARLY), buy("T2", "2026-01-31 00:00:00", LATE)])
    assert world.placier("run", "demo", "--date", "2026-01-31", "--as-of", "2026-02-28").code == 0
    assert set(world.content()) == {EARLY, LATE}
    again = world.placier("replay", "demo", "2026-01-31", "--resend", "--as-of", "2026-03-01")
    assert again.run["plan"]["skipped"] == {"expired": 2}
