"""The 17 custom fields as the contract lists them."""

from __future__ import annotations

import pytest

from pipeline.fields import BY_KEY, FIELDS, MAX_TEXT, PERSONAL, REGULAR

CONTRACT = [
    ("report_category_1", "Catégorie de rapport #1 du dernier achat", "text"),
    ("report_category_2", "Catégorie de rapport #2 du dernier achat", "text"),
    ("report_category_3", "Catégorie de rapport #3 du dernier achat", "text"),
    ("sales_channel", "Canal de vente du dernier achat", "text"),
    ("show_title", "Titre du dernier spectacle acheté", "text"),
    ("performance_date", "Date de l'événement du dernier achat", "date"),
    ("contact_id", "Identifiant unique du contact", "text"),
    ("phone", "Numéro de téléphone du contact", "text"),
    ("client_created_on", "Date création dossier client", "date"),
    ("city", "Ville du contact", "text"),
    ("company_2", "2ème nom de compagnie du contact", "text"),
    ("initial_transaction_date", "Date de transaction initiale du dernier achat", "date"),
    ("tickets", "Nombre de billets vendus lors du dernier achat", "integer"),
    ("price_category", "Catégorie du tarif du dernier achat", "text"),
    ("price_internal_name", "Nom interne du tarif du dernier achat", "text"),
    ("net_amount", "Montant net du dernier achat", "decimal"),
    ("price_group", "Regroupement de catégorie de prix du dernier achat", "text"),
]


@pytest.mark.parametrize(("number", "row"), list(enumerate(CONTRACT)))
def test_each_field_is_as_the_contract_says(number: int, row: tuple[str, str, str]) -> None:
    field = FIELDS[number]
    assert (field.key, field.name, field.type) == row
    assert BY_KEY[field.key] is field


def test_there_are_seventeen_and_seven_to_eleven_belong_to_the_person() -> None:
    assert len(FIELDS) == 17
    assert [number for number, field in enumerate(FIELDS, 1) if field.personal] == [7, 8, 9, 10, 11]
    assert PERSONAL == {field.key for field in FIELDS[6:11]} | {"first_name", "last_name", "postal_code", "company"}
    assert set(REGULAR) == {"first_name", "last_name", "postal_code", "company"}
    assert MAX_TEXT == 255
