"""The rules, one table each."""

from __future__ import annotations

import unicodedata
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import policy

DAYS = st.dates(date(1990, 1, 1), date(2100, 1, 1))
COMBINED = "e\u0301"


@pytest.mark.parametrize(
    ("start", "months", "last"),
    [
        ("2024-02-29", 24, "2026-02-28"),
        ("2024-02-29", 48, "2028-02-29"),
        ("2023-02-28", 24, "2025-02-28"),
        ("2026-02-28", 24, "2028-02-28"),
        ("2026-01-31", 1, "2026-02-28"),
        ("2027-12-31", 2, "2028-02-29"),
        ("2026-08-31", 6, "2027-02-28"),
        ("2026-03-15", 24, "2028-03-15"),
        ("2026-12-01", 1, "2027-01-01"),
    ],
)
def test_consent_lasts_whole_calendar_months_with_the_end_of_month_clamped(start: str, months: int, last: str) -> None:
    assert policy.consent_until(date.fromisoformat(start), months) == date.fromisoformat(last)


@pytest.mark.parametrize(
    ("on", "ended"), [("2026-02-27", False), ("2026-02-28", False), ("2026-03-01", True), ("2024-02-29", False)]
)
def test_consent_is_valid_through_its_last_day(on: str, ended: bool) -> None:
    assert policy.consent_ended(date(2024, 2, 29), 24, date.fromisoformat(on)) is ended


@given(start=DAYS, months=st.integers(1, 120))
def test_a_later_purchase_never_shortens_consent(start: date, months: int) -> None:
    assert policy.consent_until(start, months) <= policy.consent_until(start + timedelta(days=1), months)


@pytest.mark.parametrize(
    ("ended_on", "joins"), [("2026-03-07", True), ("2026-03-06", False), ("2026-03-10", True), ("2026-04-01", True)]
)
def test_three_days_after_the_end_still_joins_and_four_does_not(ended_on: str, joins: bool) -> None:
    assert (date.fromisoformat(ended_on) >= policy.first_day_to_join(date(2026, 3, 10), 3)) is joins


def test_the_grace_crosses_a_change_of_clocks_in_whole_days() -> None:
    assert policy.first_day_to_join(date(2026, 3, 9), 3) == date(2026, 3, 6)
    assert policy.first_day_to_join(date(2026, 3, 10), 0) == date(2026, 3, 10)


@pytest.mark.parametrize(
    ("texts", "result"),
    [
        (["Général", "Enfant"], "Général, Enfant"),
        (["Enfant", "Général", "Enfant"], "Enfant, Général"),
        (["", None, "Général", ""], "Général"),
        (["général", "Général"], "général, Général"),
        ([None, ""], None),
        ([], None),
    ],
)
def test_categories_are_joined_in_order_of_first_appearance_without_repeats(
    texts: list[str | None], result: str | None
) -> None:
    assert policy.joined(texts) == result


@pytest.mark.parametrize(
    ("text", "limit", "result"),
    [
        ("Songe", 5, "Songe"),
        ("Songes", 5, "Songe"),
        ("Le Songe", 3, "Le"),
        ("caf" + COMBINED, 4, "caf"),
        ("caf" + COMBINED, 5, "caf" + COMBINED),
        ("👩\u200d🎤 chante", 2, ""),
        ("👩\u200d🎤 chante", 3, "👩\u200d🎤"),
        ("abc", 0, ""),
        ("", 5, ""),
    ],
)
def test_a_text_is_cut_between_characters(text: str, limit: int, result: str) -> None:
    assert policy.cut(text, limit) == result


@given(text=st.text(), limit=st.integers(0, 300))
def test_a_cut_text_is_a_beginning_within_the_limit(text: str, limit: int) -> None:
    short = policy.cut(text, limit)
    assert len(short) <= limit
    assert text.startswith(short)


PROOFS = st.text(st.characters(codec="utf-8"), max_size=600)


@given(title=PROOFS, transaction=st.text("T0123456789-", min_size=1, max_size=100))
def test_the_proof_fits_and_always_tells_date_and_transaction(title: str, transaction: str) -> None:
    proof = policy.consent_proof(title, "2026-04-01", transaction)
    assert len(proof) <= 255
    assert "2026-04-01" in proof
    assert proof.endswith(transaction)


def test_the_proof_tells_the_show_first() -> None:
    assert policy.consent_proof("Le Songe", "2026-04-01", "T-1") == "Le Songe, 2026-04-01, transaction T-1"
    assert len(policy.consent_proof("x" * 300, "2026-04-01", "T-1")) == 255
    assert len(policy.consent_proof("Le Songe", "2026-04-01", "T" * 400)) <= 255


@pytest.mark.parametrize(
    ("show_id", "title", "key"),
    [
        ("S1", "Le Songe", "id:S1"),
        ("S1", None, "id:S1"),
        (None, "Le Songe", "title:le songe"),
        (None, "  LE   Sóngé ", "title:le songe"),
        ("", "Le Songe", "title:le songe"),
        (None, "", None),
        (None, None, None),
    ],
)
def test_a_show_is_its_id_or_else_its_normalised_title(show_id: str | None, title: str | None, key: str | None) -> None:
    assert policy.show_key(show_id, title) == key


def test_a_performance_is_its_id_or_else_its_title_and_start() -> None:
    assert policy.performance_key("R1", "Le Songe", "2026-04-01 20:00:00") == "id:R1"
    assert policy.performance_key(None, "Le SONGE", "2026-04-01 20:00:00") == "at:le songe|2026-04-01 20:00:00"
    assert policy.performance_key(None, "Le Songe", "2026-04-02 20:00:00") != policy.performance_key(
        None, "Le Songe", "2026-04-01 20:00:00"
    )


@pytest.mark.parametrize(
    ("template", "title"),
    [
        ("{show_title}", "Le Songe"),
        ("{show_title} ({date:%Y-%m-%d %H:%M})", "Le Songe (2026-04-01 20:00)"),
        ("{show_id}/{performance_id}", "S1/R1"),
        ("  Billets   {show_title} ", "Billets Le Songe"),
    ],
)
def test_a_group_is_titled_by_its_template(template: str, title: str) -> None:
    assert policy.group_title(template, "Le Songe", datetime(2026, 4, 1, 20), ("S1", "R1")) == title


def test_braces_in_a_show_title_are_just_text() -> None:
    assert policy.group_title("{show_title}", "{0} {date:%Y}", None, ("", "")) == "{0} {date:%Y}"


@given(title=st.text(min_size=1, max_size=300), identifier=st.text("S0123456789", min_size=1, max_size=150))
def test_titles_stay_within_a_hundred_characters(title: str, identifier: str) -> None:
    assert len(policy.group_title("{show_title}", title, None, (identifier, ""))) <= 100
    assert len(policy.twin_title(title, identifier)) <= 100


def test_a_twin_ends_in_its_id() -> None:
    assert policy.twin_title("Le Songe", "S2") == "Le Songe #S2"
    assert policy.twin_title("x" * 100, "S2") == "x" * 96 + " #S2"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Le Songe", " le  songe ", True),
        ("Café", unicodedata.normalize("NFD", "CAFÉ"), True),
        ("Le Songe", "Le Songé", False),
        ("Le Songe", "Le Songe #S2", False),
    ],
)
def test_titles_that_read_alike_are_one_title(one: str, other: str, same: bool) -> None:
    assert (policy.same_title(one) == policy.same_title(other)) is same


@pytest.mark.parametrize(
    ("rejected", "lines", "held"),
    [(19, 19, False), (20, 100, False), (20, 99, True), (21, 100, True), (0, 0, False), (200, 1001, False)],
)
def test_a_file_is_held_for_more_than_a_fifth_of_bad_lines_and_at_least_twenty(
    rejected: int, lines: int, held: bool
) -> None:
    assert policy.too_many_rejects(rejected, lines, 0.2) is held


@pytest.mark.parametrize(
    ("leaves", "memberships", "held"),
    [(50, 60, False), (51, 254, True), (51, 255, False), (51, 0, True), (0, 0, False), (1000, 5000, False)],
)
def test_leaves_are_held_beyond_both_limits(leaves: int, memberships: int, held: bool) -> None:
    assert policy.too_many_leaves(leaves, memberships, 50, 0.2) is held


@pytest.mark.parametrize(
    ("lines", "history", "held"),
    [
        (1000, [10] * 6, False),
        (1000, [10] * 7, True),
        (100, [10] * 7, True),
        (99, [10] * 7, False),
        (100, [1, 1, 1, 10, 10, 10, 500], True),
        (9, [0] * 7, False),
        (10, [0] * 7, True),
        (0, [0] * 28, False),
    ],
)
def test_a_day_is_held_at_ten_times_the_median_from_seven_days_on(lines: int, history: list[int], held: bool) -> None:
    assert policy.too_many_lines(lines, history, 10.0) is held


def test_retention_counts_calendar_months() -> None:
    assert policy.retention_start(date(2026, 4, 30), 26) == date(2024, 2, 29)
    assert policy.retention_start(date(2026, 3, 10), 1) == date(2026, 2, 10)
