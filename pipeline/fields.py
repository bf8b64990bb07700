"""The 17 custom fields, in one table (spec: the fields of the last purchase and of the person)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FieldType = Literal["text", "date", "integer", "decimal"]
MAX_TEXT = 255
"""Longest text value, in characters: the platform's limit is unknown, 255 is what its own plug-in enforces."""


@dataclass(frozen=True, slots=True)
class Field:
    """One custom field: `key` in the configuration, `name` in the platform account, its type there.

    `personal` fields belong to the person: the latest non-empty value, never cleared.  The others describe the last
    purchase and are cleared when it leaves them empty.
    """

    key: str
    name: str
    type: FieldType
    personal: bool = False


FIELDS: tuple[Field, ...] = (
    Field("report_category_1", "Catégorie de rapport #1 du dernier achat", "text"),
    Field("report_category_2", "Catégorie de rapport #2 du dernier achat", "text"),
    Field("report_category_3", "Catégorie de rapport #3 du dernier achat", "text"),
    Field("sales_channel", "Canal de vente du dernier achat", "text"),
    Field("show_title", "Titre du dernier spectacle acheté", "text"),
    Field("performance_date", "Date de l'événement du dernier achat", "date"),
    Field("contact_id", "Identifiant unique du contact", "text", personal=True),
    Field("phone", "Numéro de téléphone du contact", "text", personal=True),
    Field("client_created_on", "Date création dossier client", "date", personal=True),
    Field("city", "Ville du contact", "text", personal=True),
    Field("company_2", "2ème nom de compagnie du contact", "text", personal=True),
    Field("initial_transaction_date", "Date de transaction initiale du dernier achat", "date"),
    Field("tickets", "Nombre de billets vendus lors du dernier achat", "integer"),
    Field("price_category", "Catégorie du tarif du dernier achat", "text"),
    Field("price_internal_name", "Nom interne du tarif du dernier achat", "text"),
    Field("net_amount", "Montant net du dernier achat", "decimal"),
    Field("price_group", "Regroupement de catégorie de prix du dernier achat", "text"),
)

BY_KEY: dict[str, Field] = {field.key: field for field in FIELDS}
REGULAR: tuple[str, ...] = ("first_name", "last_name", "postal_code", "company")
"""The platform's own fields that Placier fills, beside the address; all belong to the person and are never cleared."""
PERSONAL: frozenset[str] = frozenset(field.key for field in FIELDS if field.personal) | frozenset(REGULAR)
