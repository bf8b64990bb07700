"""The demo's season is the same at every call, is read without a complaint, and holds the oddities that it promises."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline import mapping
from pipeline.read import read
from pipeline.sandbox.season import COLUMNS, LAST_DAY, SMALLEST, Booking, Season
from pipeline.schema import WholeReading

ZONE = ZoneInfo("America/Toronto")
Row = dict[str, str]


@pytest.fixture(scope="module")
def season() -> Season:
    """The demo's own."""
    return Season()


def rows(text: str) -> list[Row]:
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=";"))


def reading(folder: Path, text: str, role: str, day: date) -> WholeReading:
    path = folder / f"{role}.csv"
    path.write_bytes(text.encode())
    tuxedo = mapping.load(mapping.find("tuxedo", None))
    business_date = None if role == "backfill" else day
    return read(path, tuxedo, ZONE, day + timedelta(days=1), role=role, business_date=business_date)


def of(booking: Booking, told: list[Row]) -> list[Row]:
    return [row for row in told if row["id_reservation"] == booking.transaction_id]


def test_the_same_arguments_give_the_same_season_and_another_seed_another(season: Season) -> None:
    history = season.history_csv(season.history_until)
    assert Season().history_csv(season.history_until) == history
    assert Season(seed=2).history_csv(season.history_until) != history


@pytest.mark.parametrize("seed", [1, 2, 3, 77])
@pytest.mark.parametrize("last_day", [LAST_DAY, date(2024, 2, 29), date(2026, 3, 9)])
def test_every_line_of_every_file_is_accepted(tmp_path: Path, seed: int, last_day: date) -> None:
    season = Season(seed=seed, last_day=last_day)
    night = season.first_night
    for role, text in (
        ("backfill", season.history_csv(season.history_until)),
        ("purchases", season.purchases_csv(night)),
        ("purchases", season.purchases_csv(night, corrected=True)),
        ("cancellations", season.cancellations_csv(night)),
    ):
        found = reading(tmp_path, text, role, night)
        assert found.rejects == ()
        assert found.ignored_columns == ()
        assert found.total == len(rows(text))


def test_the_files_have_the_columns_of_the_mapping_and_no_others(season: Season) -> None:
    columns = mapping.load(mapping.find("tuxedo", None)).columns
    known = {name for field in type(columns).model_fields for name in columns.of(field)}
    assert set(COLUMNS) == known | {"type_operation"}
    assert season.purchases_csv(LAST_DAY).splitlines()[0] == ";".join(COLUMNS)


@pytest.mark.parametrize("corrected", [False, True])
def test_the_history_and_its_days_tell_the_same_lines(season: Season, corrected: bool) -> None:
    days = [season.first_day + timedelta(days=number) for number in range(731)]
    assert days[-1] == season.last_day
    told: list[str] = []
    for day in days:
        told += season.purchases_csv(day, corrected=corrected).splitlines()[1:]
        told += season.cancellations_csv(day).splitlines()[1:]
    assert sorted(told) == sorted(season.history_csv(season.last_day, corrected=corrected).splitlines()[1:])


def test_the_history_stops_before_the_first_night(season: Season) -> None:
    days = {row["date_transaction"][:10] for row in rows(season.history_csv(season.history_until))}
    assert max(days) <= season.history_until.isoformat()
    assert min(days) >= season.first_day.isoformat()
    assert season.first_night == season.history_until + timedelta(days=1)
    assert season.second_night == season.last_day == season.first_night + timedelta(days=1)


def test_a_season_has_as_many_bookings_shows_and_cancellations_as_asked(season: Season) -> None:
    assert len(season.purchases) == 3200
    assert len({(each.transaction_id, each.performance.performance_id) for each in season.purchases}) == 3200
    assert len(season.shows) == 40
    assert len(season.cancellations) == 128
    small = Season(bookings=SMALLEST[0], shows=SMALLEST[1])
    assert (len(small.purchases), len(small.shows)) == SMALLEST


@pytest.mark.parametrize(("bookings", "shows"), [(SMALLEST[0] - 1, 40), (3200, SMALLEST[1] - 1)])
def test_a_season_too_small_for_the_story_is_refused(bookings: int, shows: int) -> None:
    with pytest.raises(ValueError, match="at least 60 bookings and 10 shows"):
        Season(bookings=bookings, shows=shows)


@pytest.mark.parametrize("seed", [1, 5])
def test_a_season_makes_sense_in_time(seed: int) -> None:
    season = Season(seed=seed)
    assert all(each.at < each.performance.start for each in season.purchases)
    assert all(each.booking.at < each.at < each.booking.performance.start for each in season.cancellations)
    assert all(each.at.date() <= season.last_day for each in season.cancellations)
    assert all(each.tickets > 0 for each in season.purchases)


def test_no_booking_gives_back_more_than_it_holds(season: Season) -> None:
    given_back = [(each.booking.transaction_id, each.booking.performance) for each in season.cancellations]
    assert len(set(given_back)) == len(given_back)
    for each in season.cancellations:
        assert 0 < sum(line.tickets for line in each.lines) <= each.booking.tickets


@pytest.mark.parametrize("seed", [1, 5, 9])
def test_about_15_of_100_bookings_have_several_lines(seed: int) -> None:
    several = sum(len(each.lines) > 1 for each in Season(seed=seed).purchases)
    assert 0.12 < several / 3200 < 0.18


@pytest.mark.parametrize("seed", [1, 5, 9])
def test_cancellations_are_whole_and_partial_with_the_same_another_and_no_address(seed: int) -> None:
    found = Season(seed=seed).cancellations
    whole = [each for each in found if each.lines == each.booking.lines]
    same = [each for each in found if each.email == each.booking.buyer.address_on(each.booking.at.date())]
    blank = [each for each in found if not each.email]
    assert 20 < len(whole) < len(found) - 20
    assert len(blank) >= 5
    assert len(found) - len(same) - len(blank) >= 5


@pytest.mark.parametrize("seed", [1, 5, 9])
def test_some_people_share_an_address_and_some_change_theirs(seed: int) -> None:
    contacts: defaultdict[str, set[str]] = defaultdict(set)
    addresses: defaultdict[str, set[str]] = defaultdict(set)
    for booking in Season(seed=seed).purchases:
        address = booking.buyer.address_on(booking.at.date()).strip().lower()
        contacts[address].add(booking.buyer.contact_id)
        addresses[booking.buyer.contact_id].add(address)
    assert sum(len(found) > 1 for found in contacts.values()) >= 3
    assert sum(len(found) > 1 for found in addresses.values()) >= 3


def test_addresses_are_odd_here_and_there(tmp_path: Path, season: Season) -> None:
    written = [row["courriel"] for row in rows(season.history_csv(season.history_until))]
    for oddity in ("+", "'", "_@", " ", "R"):
        assert any(oddity in address for address in written), oddity
    read_back = reading(tmp_path, season.history_csv(season.history_until), "backfill", season.history_until)
    assert pc.all(pc.equal(read_back.lines["email"].drop_null(), pc.utf8_lower(read_back.lines["email"].drop_null())))


def test_every_optional_column_is_empty_somewhere_and_filled_somewhere(tmp_path: Path, season: Season) -> None:
    lines: pa.Table = reading(tmp_path, season.history_csv(season.last_day), "backfill", season.last_day).lines
    for name in (
        *("initial_transaction_date", "first_name", "company", "company_2", "phone", "city", "postal_code"),
        *("client_created_on", "sales_channel", "report_category_3", "price_internal_name", "price_group"),
    ):
        assert 0 < lines[name].null_count < lines.num_rows, name


def test_two_coming_shows_share_a_title_and_one_is_renamed(season: Season) -> None:
    told = rows(season.history_csv(season.history_until))
    shows: defaultdict[str, set[str]] = defaultdict(set)
    titles: defaultdict[str, set[str]] = defaultdict(set)
    for row in told:
        shows[row["titre_spectacle"]].add(row["id_spectacle"])
        titles[row["id_spectacle"]].add(row["titre_spectacle"])
    assert [len(found) for found in shows.values() if len(found) > 1] == [2]
    assert [len(found) for found in titles.values() if len(found) > 1] == [2]
    assert all(
        performance.start.date() > season.last_day
        for performance in season.performances
        if len(shows[performance.show.title]) > 1 or performance.show.renamed_on
    )


def test_some_shows_have_two_performances_and_some_transactions_two_evenings(season: Season) -> None:
    counts = [sum(each.show is show for each in season.performances) for show in season.shows]
    assert counts.count(2) >= 5
    assert set(counts) == {1, 2}
    evenings = defaultdict(set)
    for booking in season.purchases:
        evenings[booking.transaction_id].add(booking.performance.performance_id)
    assert sum(len(found) == 2 for found in evenings.values()) >= 50


def test_both_nights_have_ordinary_buyers_too(season: Season) -> None:
    told = {
        season.people.anne.buyer,
        season.people.benoit.buyer,
        season.people.denis.buyer,
        season.people.chantal.buyer,
    }
    for night in (season.first_night, season.second_night):
        assert sum(each.at.date() == night and each.buyer not in told for each in season.purchases) >= 6


# The story


def test_anne_is_new_and_buys_four_tickets_in_two_lines_on_the_first_night(season: Season) -> None:
    anne = season.people.anne
    lines = of(anne, rows(season.purchases_csv(season.first_night)))
    assert [(row["categorie_tarif"], row["nb_billets"], row["montant_net"]) for row in lines] == [
        ("Général", "2", "100,00"),
        ("Enfant", "2", "60,00"),
    ]
    assert anne.buyer.email not in season.history_csv(season.history_until)


def test_benoit_bought_long_ago_and_buys_again_on_the_first_night(season: Season) -> None:
    before = of(season.people.benoit_before, rows(season.history_csv(season.history_until)))
    again = of(season.people.benoit, rows(season.purchases_csv(season.first_night)))
    assert [row["courriel"] for row in (*before, *again)] == ["benoit.cote@exemple.test"] * 2
    assert before[0]["id_client"] == again[0]["id_client"]


def test_chantal_gives_back_one_of_three_tickets_of_a_coming_show_on_the_second_night(season: Season) -> None:
    chantal = season.people.chantal
    (held,) = of(chantal, rows(season.history_csv(season.history_until)))
    (given_back,) = of(chantal, rows(season.cancellations_csv(season.second_night)))
    assert (held["nb_billets"], given_back["nb_billets"]) == ("3", "1")
    assert (held["type_operation"], given_back["type_operation"]) == ("ACHAT", "ANNULATION")
    assert held["id_representation"] == given_back["id_representation"]
    assert chantal.performance.start.date() > season.last_day


def test_the_file_issued_again_differs_by_denis_alone(season: Season) -> None:
    wrong, right = season.people.denis, season.people.denis_corrected
    told = rows(season.purchases_csv(season.first_night))
    corrected = rows(season.purchases_csv(season.first_night, corrected=True))
    assert [row for row in told if row not in corrected] == of(wrong, told)
    assert [row for row in corrected if row not in told] == of(right, corrected)
    assert wrong.transaction_id == right.transaction_id
    assert wrong.performance.show != right.performance.show
    assert [row["montant_net"] for row in (*of(wrong, told), *of(right, corrected))] == ["84,00", "73,00"]


def test_the_story_s_people_do_nothing_else(season: Season) -> None:
    people = season.people
    scripted = {people.anne, people.benoit_before, people.benoit, people.chantal, people.denis}
    addresses = {booking.buyer.email for booking in scripted}
    assert len(addresses) == 4
    assert {each for each in season.purchases if each.buyer.email in addresses} == scripted
    assert [each for each in season.cancellations if each.booking in scripted] == [people.chantal_gives_back]
