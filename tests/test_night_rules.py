"""The rules of the account policy, each tried through the whole program: files in, platform out."""

from __future__ import annotations

import itertools

import pytest
from world import World, buy, cancel, text

from pipeline.fields import BY_KEY

ANNE, BENOIT, CHLOE = "anne.tremblay@exemple.ca", "benoit.gagnon@exemple.test", "chloe.cote@exemple.ca"
GENERAL = "Clients Tuxedo"


def field(world: World, email: str, key: str) -> object:
    """A custom field as the platform stores it."""
    return world.member(email).fields.get(BY_KEY[key].name)


def tell(world: World, day: str, lines, as_of: str) -> None:
    """A night that goes well."""
    world.day(day, lines)
    answer = world.night(as_of)
    assert answer.code == 0, (answer.out, answer.err)


# Aggregation and the last purchase


def test_lines_of_one_booking_become_one_purchase(world):
    line = {"nom_interne_tarif": "REG", "regroupement_categorie_prix": "Adultes"}
    tell(
        world,
        "2026-03-01",
        [
            buy("T1", "2026-03-01 10:00:00", ANNE, **line),
            buy("T1", "2026-03-01 10:00:00", ANNE, categorie_tarif="Enfant", montant_net="60,00", nom_interne_tarif="ENF", regroupement_categorie_prix="Jeunes"),
            buy("T1", "2026-03-01 10:00:00", ANNE, montant_net="0,00", nb_billets="0", **line),
        ],
        "2026-03-02",
    )  # fmt: skip
    assert field(world, ANNE, "tickets") == 4
    assert field(world, ANNE, "net_amount") == 160.0
    assert field(world, ANNE, "price_category") == "Général, Enfant"
    assert field(world, ANNE, "price_internal_name") == "REG, ENF"
    assert field(world, ANNE, "price_group") == "Adultes, Jeunes"


def test_amounts_are_summed_in_cents(world):
    lines = [buy("T1", "2026-03-01 10:00:00", ANNE, montant_net="0,10", nb_billets="1") for _ in range(3)]
    tell(world, "2026-03-01", lines, "2026-03-02")
    assert field(world, ANNE, "net_amount") == 0.3


def test_amounts_are_read_as_the_box_office_writes_them(world):
    lines = [
        buy("T1", "2026-03-01 10:00:00", ANNE, montant_net=amount)
        for amount in ("1 234,50", "1\u00a0000,00", "1\u202f000.00 $", "-4,50")
    ]
    tell(world, "2026-03-01", lines, "2026-03-02")
    assert field(world, ANNE, "net_amount") == 3230.0


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (("T2", "2026-03-01 10:00:00", {}), ("T1", "2026-03-01 10:00:01", {})),
        (("T10", "2026-03-01 10:00:00", {}), ("T2", "2026-03-01 10:00:00", {})),
        (
            ("T1", "2026-03-01 10:00:00", {"id_representation": "R9", "date_evenement": "2026-04-01 19:30"}),
            ("T1", "2026-03-01 10:00:00", {"id_representation": "R1", "date_evenement": "2026-04-01 20:00"}),
        ),
        (
            ("T1", "2026-03-01 10:00:00", {"id_representation": "R10"}),
            ("T1", "2026-03-01 10:00:00", {"id_representation": "R2"}),
        ),
    ],
    ids=["time", "transaction", "performance start", "performance id"],
)
def test_the_latest_booking_gives_the_fields_and_ties_are_compared_as_text(world, older, newer):
    lines = []
    for (transaction, at, more), channel in ((newer, "Web"), (older, "Guichet")):
        lines.append(buy(transaction, at, ANNE, canal_vente=channel, **more))
    tell(world, "2026-03-01", lines, "2026-03-02")
    assert field(world, ANNE, "sales_channel") == "Web"


def test_an_older_file_that_arrives_later_never_overwrites_newer_data(world):
    tell(world, "2026-03-04", [buy("T2", "2026-03-04 10:00:00", ANNE, canal_vente="Web", ville="Lévis")], "2026-03-05")
    world.day("2026-03-02", [buy("T1", "2026-03-02 10:00:00", ANNE, canal_vente="Guichet", ville="Québec", telephone="418 555-0101")])  # fmt: skip
    answer = world.night("2026-03-05", "--date", "2026-03-02")
    assert answer.code == 0
    assert field(world, ANNE, "sales_channel") == "Web"
    assert field(world, ANNE, "city") == "Lévis"
    assert field(world, ANNE, "phone") == "418 555-0101"
    assert str(world.member(ANNE).consent.date) == "2026-03-04"


def test_what_the_latest_booking_leaves_empty_is_cleared_but_the_person_s_own_fields_stay(world):
    full = {
        "categorie_rapport_1": "Théâtre",
        "canal_vente": "Web",
        "nom_interne_tarif": "REG",
        "date_transaction_initiale": "2026-02-27",
        "telephone": "418 555-0101",
        "ville": "Québec",
        "entreprise": "Quai inc.",
        "entreprise_2": "Filiale",
        "code_postal": "G1R 2B5",
        "date_creation_client": "2020-02-29",
    }
    tell(world, "2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE, **full)], "2026-03-02")
    before = world.member(ANNE)
    assert before.texts["postalCode"] == "G1R 2B5"
    assert before.texts["company"] == "Quai inc."
    empty = {"categorie_tarif": "", "prenom": "", "nom": "", "id_client": ""}
    tell(world, "2026-03-02", [buy("T2", "2026-03-02 10:00:00", ANNE, **empty)], "2026-03-03")
    gone = ("report_category_1", "sales_channel", "price_category", "price_internal_name", "initial_transaction_date")
    assert [field(world, ANNE, key) or "" for key in gone] == ["", "", "", "", ""]
    kept = ("phone", "city", "company_2", "client_created_on", "contact_id")
    assert [field(world, ANNE, key) for key in kept] == ["418 555-0101", "Québec", "Filiale", "2020-02-29", f"C-{ANNE}"]
    assert world.member(ANNE).texts == before.texts


def test_the_person_s_own_fields_come_from_cancelled_purchases_too(world):
    world.set(policy={"cancelled_counts": False})
    tell(
        world,
        "2026-03-01",
        [
            buy("T1", "2026-03-01 10:00:00", ANNE, canal_vente="Guichet", ville="Lévis"),
            buy("T2", "2026-03-01 11:00:00", ANNE, canal_vente="Web", ville="Québec", id_representation="R2"),
            cancel("T2", "2026-03-01 12:00:00", id_representation="R2"),
        ],
        "2026-03-02",
    )
    assert field(world, ANNE, "sales_channel") == "Guichet"
    assert field(world, ANNE, "city") == "Québec"


def test_all_seventeen_fields_are_written_with_their_types(world):
    line = buy(
        "T1",
        "2026-03-01 10:00:00",
        ANNE,
        date_transaction_initiale="2026-02-28",
        entreprise_2="Les Productions du Fleuve",
        telephone="418 555-0101",
        ville="Québec",
        date_creation_client="2019-05-06",
        canal_vente="Web",
        categorie_rapport_1="Théâtre",
        categorie_rapport_2="Série A",
        categorie_rapport_3="Famille",
        nom_interne_tarif="REG",
        regroupement_categorie_prix="Adultes",
    )
    tell(world, "2026-03-01", [line], "2026-03-02")
    assert {key: field(world, ANNE, key) for key in BY_KEY} == {
        "report_category_1": "Théâtre",
        "report_category_2": "Série A",
        "report_category_3": "Famille",
        "sales_channel": "Web",
        "show_title": "Le Songe",
        "performance_date": "2026-04-01",
        "contact_id": f"C-{ANNE}",
        "phone": "418 555-0101",
        "client_created_on": "2019-05-06",
        "city": "Québec",
        "company_2": "Les Productions du Fleuve",
        "initial_transaction_date": "2026-02-28",
        "tickets": 2,
        "price_category": "Général",
        "price_internal_name": "REG",
        "net_amount": 100.0,
        "price_group": "Adultes",
    }


def test_texts_are_cut_at_255_characters_on_a_character_boundary(world):
    title = "É" * 254 + "e\u0301" + "suite"
    tell(world, "2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE, titre_spectacle=title)], "2026-03-02")
    stored = str(field(world, ANNE, "show_title"))
    assert len(stored) <= 255
    assert not stored.endswith("e")
    assert len(world.member(ANNE).consent.proof) <= 255
    assert "2026-04-01" in world.member(ANNE).consent.proof
    assert "T1" in world.member(ANNE).consent.proof
    assert all(len(title) <= 100 for title in world.groups_of(ANNE))


def test_addresses_are_trimmed_and_lower_cased_into_one_contact(world):
    lines = [buy("T1", "2026-03-01 10:00:00", f"  {ANNE.title()} "), buy("T2", "2026-03-01 11:00:00", ANNE.upper())]
    tell(world, "2026-03-01", lines, "2026-03-02")
    assert list(world.control.state().members) == [ANNE]


# Consent


def test_consent_is_implied_dated_the_local_day_and_proved(world):
    # 03:30 UTC on the 8th is still the 7th in Toronto, and so it is an hour before the clocks go forward.
    tell(world, "2026-03-07", [buy("T1", "2026-03-08T03:30:00Z", ANNE)], "2026-03-08")
    consent = world.member(ANNE).consent
    assert (consent.type, consent.relation, str(consent.date)) == ("implied", "active-clients", "2026-03-07")
    assert str(consent.expires) == "2028-03-07"
    assert all(part in consent.proof for part in ("Le Songe", "2026-04-01", "T1"))


@pytest.mark.parametrize(
    ("bought", "as_of", "sent"),
    [
        ("2024-02-29", "2026-02-28", True),
        ("2024-02-29", "2026-03-01", False),
        ("2024-03-05", "2026-03-05", True),
        ("2024-03-05", "2026-03-06", False),
    ],
)
def test_consent_lasts_24_months_clamped_through_its_last_day(world, bought, as_of, sent):
    world.history([buy("T1", f"{bought} 23:59:59", ANNE)])
    answer = world.placier("backfill", "demo", "--as-of", as_of)
    assert answer.code == 0
    assert (ANNE in world.control.state().members) is sent
    assert answer.run["plan"]["skipped"] == ({} if sent else {"expired": 1})
    told = world.placier("why", "demo", ANNE, "--on", as_of).json
    assert told["may_send"] is sent
    assert told["consent_date"] == bought
    assert told["sources"] == [{"file": "Theatre_historique.csv", "line": 2}]


def test_consent_is_renewed_by_a_purchase_and_never_moved_back(world):
    tell(world, "2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)], "2026-03-02")
    second = [buy("T2", "2026-03-02 10:00:00", ANNE, id_representation="R2")]
    tell(world, "2026-03-02", second, "2026-03-03")
    assert str(world.member(ANNE).consent.date) == "2026-03-02"
    # The second purchase is taken back by a re-issued file: the fields follow, the consent does not.
    world.day("2026-03-02", [buy("T3", "2026-03-02 10:00:00", BENOIT)])
    world.control.reset_log()
    assert (run := world.night("2026-03-04", "--date", "2026-03-02")).code == 0, run.err
    assert str(world.member(ANNE).consent.date) == "2026-03-02"
    sent = [str(entry.body) for entry in world.control.log() if entry.method == "POST"]
    assert not any("'2026-03-01'" in body and "consentDate" in body and ANNE in body for body in sent)
    assert world.placier("why", "demo", ANNE).json["consent_date"] == "2026-03-02"


def test_consent_stays_when_a_purchase_is_cancelled_whatever_counts(world):
    world.set(policy={"cancelled_counts": False})
    tell(world, "2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)], "2026-03-02")
    tell(world, "2026-03-02", [buy("T2", "2026-03-02 10:00:00", ANNE, id_representation="R2")], "2026-03-03")
    tell(world, "2026-03-03", [cancel("T2", "2026-03-03 10:00:00", id_representation="R2")], "2026-03-04")
    assert str(world.member(ANNE).consent.date) == "2026-03-02"
    assert field(world, ANNE, "initial_transaction_date") is None
    assert field(world, ANNE, "performance_date") == "2026-04-01"


def test_consent_months_are_the_account_s(world):
    world.set(policy={"consent_months": 6})
    world.history([buy("T1", "2025-08-31 10:00:00", ANNE), buy("T2", "2025-08-27 10:00:00", BENOIT)])
    answer = world.placier("backfill", "demo", "--as-of", "2026-02-28")
    assert answer.run["plan"]["skipped"] == {"expired": 1}
    assert list(world.control.state().members) == [ANNE]


# Groups


def titles(world: World) -> list[str]:
    return sorted(world.control.state().titles())


@pytest.mark.parametrize(
    ("start", "end", "joins"),
    [
        ("2026-03-07 20:00", "", True),
        ("2026-03-06 20:00", "", False),
        ("2026-03-06 20:00", "2026-03-07 00:30", True),
        ("2026-03-05 20:00", "2026-03-06 23:59:59", False),
        ("2026-03-20 20:00", "", True),
        ("2026-03-08T04:30:00Z", "", True),
    ],
)
def test_show_ended_at_most_three_days_before_gives_a_seat(world, start, end, joins):
    line = buy("T1", "2026-03-05 10:00:00", ANNE, date_evenement=start, date_fin_evenement=end)
    world.day("2026-03-05", [line])
    world.day("2026-03-09", [])
    assert (run := world.night("2026-03-10", "--date", "2026-03-05")).code == 0, run.err
    assert titles(world) == sorted([GENERAL, *(["Le Songe"] if joins else [])])
    assert world.groups_of(ANNE) == tuple(titles(world))


def test_membership_stays_when_the_show_is_past(world):
    world.set(source={"catch_up_days": 0})
    tell(world, "2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE, date_evenement="2026-03-02 20:00")], "2026-03-02")
    tell(world, "2026-03-08", [buy("T2", "2026-03-08 10:00:00", ANNE, id_spectacle="S2", titre_spectacle="Le Fleuve")], "2026-03-09")  # fmt: skip
    assert world.groups_of(ANNE) == (GENERAL, "Le Fleuve", "Le Songe")
    answer = world.placier("replay", "demo", "2026-03-01", "--resend", "--as-of", "2026-03-20")
    assert answer.code == 0
    assert answer.run["pushed"]["leaves"] == 0
    assert world.groups_of(ANNE) == (GENERAL, "Le Fleuve", "Le Songe")


def test_groups_per_performance_and_general_only(world):
    world.set(policy={"groups": "per-performance"})
    lines = [
        buy("T1", "2026-03-01 10:00:00", ANNE, date_evenement="2026-04-01 20:00"),
        buy("T2", "2026-03-01 11:00:00", ANNE, id_representation="R2", date_evenement="2026-04-02 14:00"),
    ]
    tell(world, "2026-03-01", lines, "2026-03-02")
    assert world.groups_of(ANNE) == (GENERAL, "Le Songe (2026-04-01 20:00)", "Le Songe (2026-04-02 14:00)")
    tell(world, "2026-03-02", [cancel("T2", "2026-03-02 11:00:00", id_representation="R2")], "2026-03-03")
    assert world.groups_of(ANNE) == (GENERAL, "Le Songe (2026-04-01 20:00)")


def test_general_only_makes_no_show_group(world):
    world.set(policy={"groups": "general-only", "general_group": "Abonnés du Quai"})
    tell(world, "2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)], "2026-03-02")
    assert titles(world) == ["Abonnés du Quai"]
    assert world.groups_of(ANNE) == ("Abonnés du Quai",)


def test_groups_are_private_and_made_only_when_the_first_buyer_needs_them(world):
    world.control.unsubscribe(ANNE)
    tell(world, "2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)], "2026-03-02")
    assert titles(world) == []
    tell(world, "2026-03-02", [buy("T2", "2026-03-02 10:00:00", BENOIT)], "2026-03-03")
    assert titles(world) == [GENERAL, "Le Songe"]
    assert not any(group.public or group.dynamic for group in world.control.state().groups)


def test_second_show_of_one_title_gets_its_own_group_with_its_id(world):
    tell(world, "2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE, titre_spectacle="Casse-Noisette")], "2026-03-02")
    twin = buy("T2", "2026-03-02 10:00:00", BENOIT, id_spectacle="S2", id_representation="R2", titre_spectacle="Casse-Noisette")  # fmt: skip
    tell(world, "2026-03-02", [twin], "2026-03-03")
    assert world.groups_of(ANNE) == ("Casse-Noisette", GENERAL)
    assert world.groups_of(BENOIT) == ("Casse-Noisette #S2", GENERAL)


def test_second_show_of_one_long_title_still_ends_in_its_id(world):
    title = "La très longue histoire " * 6
    lines = [
        buy("T1", "2026-03-01 10:00:00", ANNE, titre_spectacle=title),
        buy("T2", "2026-03-01 11:00:00", BENOIT, id_spectacle="S2", id_representation="R2", titre_spectacle=title),
    ]
    tell(world, "2026-03-01", lines, "2026-03-02")
    one, other = (next(t for t in world.groups_of(email) if t != GENERAL) for email in (ANNE, BENOIT))
    assert len(one) <= 100
    assert len(other) <= 100
    assert other.endswith(" #S2")


def test_twin_performances_end_in_the_performance_s_id(world):
    world.set(policy={"groups": "per-performance", "group_title": "{show_title}"})
    lines = [
        buy("T1", "2026-03-01 10:00:00", ANNE),
        buy("T2", "2026-03-01 11:00:00", BENOIT, id_representation="R2", date_evenement="2026-04-02 20:00"),
    ]
    tell(world, "2026-03-01", lines, "2026-03-02")
    assert world.groups_of(ANNE) == (GENERAL, "Le Songe")
    assert world.groups_of(BENOIT) == (GENERAL, "Le Songe #R2")


def test_renamed_show_keeps_its_group(world):
    tell(world, "2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)], "2026-03-02")
    line = buy("T2", "2026-03-02 10:00:00", BENOIT, titre_spectacle="Le Songe d'une nuit d'été")
    tell(world, "2026-03-02", [line], "2026-03-03")
    assert titles(world) == [GENERAL, "Le Songe"]
    assert world.groups_of(BENOIT) == (GENERAL, "Le Songe")
    assert field(world, BENOIT, "show_title") == "Le Songe d'une nuit d'été"


def test_shows_without_ids_are_told_apart_by_title_without_case_or_accents(world):
    none = {"id_spectacle": "", "id_representation": ""}
    lines = [
        buy("T1", "2026-03-01 10:00:00", ANNE, titre_spectacle="Été  à la Mer", **none),
        buy("T2", "2026-03-01 11:00:00", BENOIT, titre_spectacle="ETE A LA MER", **none),
    ]
    tell(world, "2026-03-01", lines, "2026-03-02")
    assert world.groups_of(ANNE) == world.groups_of(BENOIT)
    tell(
        world, "2026-03-02", [cancel("T2", "2026-03-02 08:00:00", titre_spectacle="été à la mer", **none)], "2026-03-03"
    )
    assert world.groups_of(BENOIT) == (GENERAL,)


# Cancellations


PURCHASE = buy("T1", "2026-03-01 10:00:00", ANNE, nb_billets="4")
PARTIAL = cancel("T1", "2026-03-01 12:00:00", ANNE, nb_billets="1")


@pytest.mark.parametrize(
    ("cancellation", "lines", "inside"),
    [
        ("any", [PURCHASE, PARTIAL], False),
        ("exact", [PURCHASE, PARTIAL], True),
        ("exact", [PURCHASE, PARTIAL, cancel("T1", "2026-03-01 13:00:00", nb_billets="3")], False),
        ("any", [PURCHASE, PARTIAL, buy("T2", "2026-03-01 12:00:00", ANNE)], False),
        ("any", [PURCHASE, PARTIAL, buy("T2", "2026-03-01 12:00:01", ANNE)], True),
        ("any", [PURCHASE, buy("T2", "2026-03-01 11:00:00", ANNE, id_representation="R2"), PARTIAL], False),
        ("exact", [PURCHASE, cancel("T1", "2026-03-01 12:00:00", nb_billets="4"), buy("T2", "2026-03-01 13:00:00", ANNE)], True),
    ],
    ids=["any part", "exact keeps the rest", "exact to zero", "same instant", "bought after", "the whole show", "exact, bought again"],
)  # fmt: skip
def test_cancellation_and_group(world, cancellation, lines, inside):
    world.set(policy={"cancellation": cancellation})
    tell(world, "2026-03-01", list(reversed(lines)), "2026-03-02")
    assert ("Le Songe" in world.groups_of(ANNE)) is inside
    assert GENERAL in world.groups_of(ANNE)
    assert field(world, ANNE, "show_title") == "Le Songe"


def test_cancellation_concerns_the_buyer_of_its_transaction_whatever_its_address(world):
    tell(world, "2026-03-01", [PURCHASE, buy("T2", "2026-03-01 10:00:00", BENOIT)], "2026-03-02")
    world.day("2026-03-02", [cancel("T1", "2026-03-02 09:00:00", BENOIT)])
    answer = world.night("2026-03-03")
    assert answer.run["pushed"]["leaves"] == 1
    assert world.groups_of(ANNE) == (GENERAL,)
    assert world.groups_of(BENOIT) == (GENERAL, "Le Songe")


def test_cancellation_of_an_unknown_transaction_concerns_the_address_it_carries(world):
    tell(world, "2026-03-01", [PURCHASE], "2026-03-02")
    world.day("2026-03-02", [cancel("INCONNUE", "2026-03-02 09:00:00", ANNE.upper())])
    answer = world.night("2026-03-03")
    assert answer.run["unmatched_cancellations"] == 0
    assert world.groups_of(ANNE) == (GENERAL,)


@pytest.mark.parametrize("groups", ["per-show", "per-performance"])
@pytest.mark.parametrize("transaction", ["T1", "INCONNUE"])
@pytest.mark.parametrize("without", ["purchase", "cancellation"])
def test_cancellation_matches_by_title_and_start_where_ids_are_missing(world, groups, transaction, without):
    """The ids are optional columns: one of the two files may lack them."""
    world.set(policy={"groups": groups})
    bare = {"id_spectacle": "", "id_representation": ""}
    bought, act = (bare, {}) if without == "purchase" else ({}, bare)
    other = buy(
        "T2", "2026-03-01 11:00:00", ANNE, id_spectacle="S2", id_representation="R2", titre_spectacle="Le Fleuve"
    )
    tell(world, "2026-03-01", [PURCHASE | bought, other], "2026-03-02")
    assert len(world.groups_of(ANNE)) == 3
    world.day("2026-03-02", [cancel(transaction, "2026-03-02 09:00:00", ANNE, titre_spectacle="LE SONGE", **act)])
    answer = world.night("2026-03-03")
    assert (answer.code, answer.run["unmatched_cancellations"]) == (0, 0)
    assert len(world.groups_of(ANNE)) == 2
    assert not any("Songe" in title for title in world.groups_of(ANNE))


def test_cancellation_of_another_show_of_one_title_changes_nothing(world):
    tell(world, "2026-03-01", [PURCHASE], "2026-03-02")
    world.day(
        "2026-03-02", [cancel("INCONNUE", "2026-03-02 09:00:00", ANNE, id_spectacle="S2", id_representation="R2")]
    )
    answer = world.night("2026-03-03")
    assert answer.run["unmatched_cancellations"] == 1
    assert world.groups_of(ANNE) == (GENERAL, "Le Songe")


def test_fully_cancelled_booking_is_known_without_ids_too(world):
    world.set(policy={"cancelled_counts": False})
    older = buy("T0", "2026-02-20 10:00:00", ANNE, id_spectacle="S2", id_representation="R2", canal_vente="Guichet")
    gone = cancel("T1", "2026-03-01 12:00:00", nb_billets="4", id_spectacle="", id_representation="")
    tell(world, "2026-03-01", [older, PURCHASE | {"canal_vente": "Web"}, gone], "2026-03-02")
    assert field(world, ANNE, "sales_channel") == "Guichet"


@pytest.mark.parametrize("left", ["unsubscribed", "bounced"])
def test_who_left_is_skipped_for_that_even_if_nothing_counts(world, left):
    world.set(policy={"cancelled_counts": False})
    (world.control.unsubscribe if left == "unsubscribed" else world.control.bounce)(ANNE)
    tell(world, "2026-03-01", [PURCHASE, cancel("T1", "2026-03-01 12:00:00", nb_billets="4")], "2026-03-02")
    skipped = world.placier("replay", "demo", "2026-03-01", "--resend", "--as-of", "2026-03-02").run["plan"]["skipped"]
    assert skipped == {left: 1}


def test_cancellation_that_matches_nothing_is_kept_and_may_match_later(world):
    world.day("2026-03-02", [cancel("T1", "2026-03-02 09:00:00", CHLOE), cancel("T9", "2026-03-02 09:00:00")])
    answer = world.night("2026-03-03")
    assert (answer.code, answer.run["unmatched_cancellations"]) == (0, 2)
    world.day("2026-03-01", [PURCHASE])
    assert (run := world.night("2026-03-03", "--date", "2026-03-01")).code == 0, run.err
    assert world.groups_of(ANNE) == (GENERAL,)
    assert CHLOE not in world.control.state().members


def test_order_of_days_does_not_matter(world):
    """Every order of three days ends the same, the empty groups aside."""
    days = {
        "2026-03-01": [PURCHASE, buy("T2", "2026-03-01 11:00:00", BENOIT, canal_vente="Web")],
        "2026-03-02": [PARTIAL | {"date_transaction": "2026-03-02 12:00:00"}, buy("T4", "2026-03-02 13:00:00", BENOIT)],
        "2026-03-03": [buy("T3", "2026-03-03 09:00:00", ANNE, ville="Lévis"), cancel("T4", "2026-03-03 10:00:00")],
    }
    for day, lines in days.items():
        world.day(day, lines)
    ends = []
    for number, order in enumerate(itertools.permutations(days)):
        world.control.wipe()
        world.state_url = f"sqlite:///var/placier-{number}.db"
        world.write_config()
        for day in order:
            stamp = day.replace("-", "")
            files = [f"--file={world.drop}/Theatre_{kind}_{stamp}.csv" for kind in ("achats", "annulations")]
            assert (run := world.placier("replay", "demo", day, *files, "--as-of", "2026-03-04")).code == 0, run.err
        ends.append(world.content())
    assert all(end == ends[0] for end in ends)


def test_backfill_equals_the_sum_of_its_days(world):
    days = {
        "2026-03-01": [PURCHASE, buy("T2", "2026-03-01 11:00:00", BENOIT)],
        "2026-03-02": [PARTIAL | {"date_transaction": "2026-03-02 12:00:00"}, buy("T5", "2026-03-02 13:00:00", CHLOE)],
    }
    for day, lines in days.items():
        world.day(day, lines)
        assert (run := world.night("2026-03-04", "--date", day)).code == 0, run.err
    by_days = world.content()
    world.control.wipe()
    world.state_url = "sqlite:///var/autre.db"
    world.write_config()
    world.history([line for lines in days.values() for line in lines])
    assert (run := world.placier("backfill", "demo", "--as-of", "2026-03-04")).code == 0, run.err
    assert world.content() == by_days


def test_cancelled_only_contact_is_not_sent_when_cancelled_bookings_do_not_count(world):
    world.set(policy={"cancelled_counts": False})
    tell(world, "2026-03-01", [PURCHASE, cancel("T1", "2026-03-01 12:00:00", nb_billets="4"), buy("T2", "2026-03-01 10:00:00", BENOIT)], "2026-03-02")  # fmt: skip
    assert list(world.control.state().members) == [BENOIT]
    tell(world, "2026-03-02", [cancel("T2", "2026-03-02 12:00:00", nb_billets="2")], "2026-03-03")
    assert field(world, BENOIT, "show_title") == "Le Songe"
    assert world.groups_of(BENOIT) == (GENERAL,)


def test_partially_cancelled_booking_still_counts(world):
    world.set(policy={"cancelled_counts": False})
    tell(world, "2026-03-01", [PURCHASE, PARTIAL], "2026-03-02")
    assert field(world, ANNE, "tickets") == 4


# Against the person


def test_changed_address_is_a_new_contact_and_the_old_one_stays(world):
    tell(world, "2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE, id_client="C77")], "2026-03-02")
    old = world.member(ANNE)
    tell(world, "2026-03-02", [buy("T2", "2026-03-02 10:00:00", CHLOE, id_client="C77")], "2026-03-03")
    assert world.member(ANNE) == old
    assert GENERAL in world.groups_of(CHLOE)


def test_new_address_of_an_unsubscribed_person_is_unsubscribed_as(world):
    tell(world, "2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE, id_client="C77")], "2026-03-02")
    world.control.unsubscribe(ANNE)
    world.day("2026-03-02", [buy("T2", "2026-03-02 10:00:00", CHLOE, id_client="C77")])
    answer = world.night("2026-03-03")
    assert answer.code == 0
    assert answer.run["plan"]["skipped"] == {"unsubscribed_as": 1}
    assert CHLOE not in world.control.state().members
    told = world.placier("why", "demo", CHLOE).json
    assert (told["may_send"], told["suppressed"]) == (False, "unsubscribed_as")


def test_an_address_that_a_corrected_file_unties_from_who_left_is_written_to_again(world):
    tell(world, "2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE, id_client="C77")], "2026-03-02")
    world.control.unsubscribe(ANNE)
    wrong = [buy("T2", "2026-03-02 10:00:00", CHLOE, id_client="C77")]
    tell(world, "2026-03-02", wrong, "2026-03-03")
    assert CHLOE not in world.control.state().members
    world.day("2026-03-02", [buy("T2", "2026-03-02 10:00:00", CHLOE, id_client="C78")])
    assert world.placier("replay", "demo", "2026-03-02", "--refetch", "--as-of", "2026-03-03").code == 0
    assert GENERAL in world.groups_of(CHLOE)
    assert world.member(ANNE).state == "unsubscribed"


# Left out, retention


def test_unknown_columns_are_ignored_listed_and_never_stored(world):
    lines = text([PURCHASE]).splitlines()
    (world.drop / "Theatre_achats_20260301.csv").write_text(
        f"{lines[0]};numero_membre;ecole\n{lines[1]};MEMBRE-4242;École des Érables\n", encoding="utf-8"
    )
    (world.drop / "Theatre_annulations_20260301.csv").write_text(text([]), encoding="utf-8")
    answer = world.night("2026-03-02")
    assert answer.code == 0
    assert answer.run["ignored_columns"] == ["numero_membre", "ecole"]
    assert "MEMBRE-4242" not in str(world.control.raw_state())
    assert b"MEMBRE-4242" not in (world.root / "var" / "placier.db").read_bytes()


def test_purge_takes_rows_and_archived_files_and_nobody_out_of_a_group(world):
    world.set(policy={"retention_months": 1}, source={"catch_up_days": 0})
    tell(world, "2026-01-15", [buy("T1", "2026-01-15 10:00:00", ANNE)], "2026-01-16")
    tell(world, "2026-03-01", [buy("T2", "2026-03-01 10:00:00", BENOIT)], "2026-03-02")
    archived = list((world.root / "var" / "archive").rglob("*.gz"))
    assert len(archived) == 2
    assert world.groups_of(ANNE) == (GENERAL, "Le Songe")
    assert world.placier("why", "demo", ANNE, "--on", "2026-03-02").json["sources"] == []
    tell(world, "2026-03-02", [buy("T3", "2026-03-02 10:00:00", ANNE, id_spectacle="S2", titre_spectacle="Autre")], "2026-03-03")  # fmt: skip
    assert world.groups_of(ANNE) == ("Autre", GENERAL, "Le Songe")


def test_purge_comes_every_night_even_without_a_day_file(world):
    world.set(policy={"retention_months": 1}, source={"catch_up_days": 0})
    tell(world, "2026-01-15", [buy("T1", "2026-01-15 10:00:00", ANNE)], "2026-01-16")
    assert world.night("2026-02-15").code == 4
    assert world.placier("why", "demo", ANNE, "--on", "2026-02-15").json["sources"]
    assert world.night("2026-02-16").code == 4
    assert world.placier("why", "demo", ANNE, "--on", "2026-02-16").json["sources"] == []
    assert not list((world.root / "var" / "archive").rglob("*.gz"))


def test_second_night_sends_nothing(world):
    tell(world, "2026-03-01", [PURCHASE, buy("T2", "2026-03-01 11:00:00", BENOIT)], "2026-03-02")
    before = world.content()
    world.control.reset_log()
    answer = world.night("2026-03-02", "--date", "2026-03-01")
    assert (answer.code, world.control.writes()) == (0, 0)
    assert answer.run["pushed"] == dict.fromkeys(answer.run["pushed"], 0)
    assert world.content() == before
