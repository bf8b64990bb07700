"""What people read, in French (Quebec) and in English: the words that pages share, and how numbers and days are written.

A sentence has its values in braces, `{count}`; `one|several` are its singular and its plural, chosen by `n`.  French is
typed with ordinary spaces: those that must not break are put in when it is said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property, lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time
from babel.numbers import format_decimal, format_percent

Language = Literal["fr", "en"]
Pair = tuple[str, str]
"""What is said in French, and in English."""
NO_BREAK = re.compile(r"(?<=«) | (?=[:»%$])|(?<=\bno) (?=\d)")
DAY_AND_MONTH = re.compile(r"\b(\d\d?(?:er)?) (?=[^\W\d])")

WORDS: Mapping[str, Pair] = {
    # Statuses of a run
    "status.running": ("En cours", "Under way"),
    "status.done": ("Terminé", "Done"),
    "status.partial": ("Terminé, avec des refus", "Done, with refusals"),
    "status.held": ("Retenu", "Held"),
    "status.missing": ("Fichier absent", "File missing"),
    "status.failed": ("Échec", "Failed"),
    "status.dry_run": ("Simulation", "Dry run"),
    # Kinds of run
    "kind.run": ("Traitement de nuit", "Nightly run"),
    "kind.backfill": ("Reprise de l’historique", "Backfill of the history"),
    "kind.replay": ("Reprise d’une journée", "Replay of a day"),
    "kind.push": ("Envoi en attente", "Push of what was waiting"),
    "kind.approve": ("Approbation", "Approval"),
    "kind.rebuild": ("Reconstruction du registre", "Rebuild of the ledger"),
    # Why a line is set aside
    "reject.no_email": ("Pas d’adresse courriel", "No e-mail address"),
    "reject.bad_email": ("Adresse courriel invalide", "Not a valid e-mail address"),
    "reject.bad_date": ("Date absente ou illisible", "Date missing or unreadable"),
    "reject.bad_amount": ("Montant absent ou illisible", "Amount missing or unreadable"),
    "reject.bad_count": ("Nombre de billets absent ou illisible", "Number of tickets missing or unreadable"),
    "reject.bad_operation": ("Type d’opération inconnu", "Unknown type of operation"),
    "reject.no_transaction": ("Pas de numéro de transaction", "No transaction number"),
    "reject.future_date": ("Date dans l’avenir", "Date in the future"),
    "reject.bad_columns": ("Trop ou trop peu de colonnes", "Too many or too few columns"),
    # Why somebody is left alone
    "skip.unsubscribed": ("S’est désabonné", "Unsubscribed"),
    "skip.unsubscribed_as": ("S’est désabonné sous une autre adresse", "Unsubscribed under another address"),
    "skip.bounced": ("Adresse qui rejette les courriels", "The address bounces"),
    "skip.expired": ("Consentement terminé", "Consent has ended"),
    "skip.cancelled": ("Tout a été annulé", "Everything was cancelled"),
    "skip.deleted": ("Supprimé de la plateforme par l’équipe", "Deleted on the platform by staff"),
    # Why somebody leaves a group
    "leave.cancelled": ("annulation", "cancelled"),
    "leave.corrected": ("fichier corrigé", "file corrected"),
    # What a guard holds
    "hold.leaves": ("Trop de retraits de groupes d’un coup", "Too many leaves of groups at once"),
    "hold.platform": ("La plateforme semble vidée", "The platform looks emptied"),
    "hold.rejects": ("Trop de lignes invalides", "Too many bad lines"),
    "hold.volume": ("Beaucoup plus de lignes que d’habitude", "Far more lines than usual"),
    "hold.purge": ("Purge trop importante", "Too large a purge"),
    "hold.gap": ("Fichiers absents des archives", "Files missing from the archive"),
    # What happened to a consent
    "act.given": ("Consentement donné", "Consent given"),
    "act.renewed": ("Consentement renouvelé", "Consent renewed"),
    "act.kept": ("Consentement de la plateforme conservé", "The platform’s own consent kept"),
    "act.unsubscribed": ("Désabonnement", "Unsubscribed"),
    "act.bounced": ("Courriels rejetés", "Mail bounced"),
    "act.came_back": ("De nouveau membre, laissé tranquille", "A member again, left alone"),
    "act.forgotten": ("Oublié (Loi 25)", "Forgotten (Law 25)"),
    # Fields of a contact
    "field.email": ("Courriel", "E-mail"),
    "field.first_name": ("Prénom", "First name"),
    "field.last_name": ("Nom", "Last name"),
    "field.postal_code": ("Code postal", "Postal code"),
    "field.company": ("Entreprise", "Company"),
    "field.report_category_1": ("Catégorie de rapport 1", "Report category 1"),
    "field.report_category_2": ("Catégorie de rapport 2", "Report category 2"),
    "field.report_category_3": ("Catégorie de rapport 3", "Report category 3"),
    "field.sales_channel": ("Canal de vente", "Sales channel"),
    "field.show_title": ("Dernier spectacle", "Last show"),
    "field.performance_date": ("Date de l’événement", "Performance date"),
    "field.contact_id": ("Numéro de client", "Contact ID"),
    "field.phone": ("Téléphone", "Telephone"),
    "field.client_created_on": ("Client depuis", "Client since"),
    "field.city": ("Ville", "City"),
    "field.company_2": ("2e nom d’entreprise", "Second company name"),
    "field.initial_transaction_date": ("Date de transaction initiale", "Initial transaction date"),
    "field.tickets": ("Nombre de billets", "Number of tickets"),
    "field.price_category": ("Catégorie de tarif", "Price category"),
    "field.price_internal_name": ("Nom interne du tarif", "Internal price name"),
    "field.net_amount": ("Montant net", "Net amount"),
    "field.price_group": ("Groupe de tarifs", "Price group"),
    # Around every page
    "page.skip": ("Aller au contenu", "Skip to content"),
    "page.contents": ("Sur cette page", "On this page"),
    "page.nothing": ("Rien.", "Nothing."),
}


@dataclass(frozen=True, slots=True)
class Tongue:
    """What a language needs: which of a pair it is, its locale, and what HTML calls it."""

    place: int
    locale: str
    html: str


TONGUES: Mapping[str, Tongue] = {"fr": Tongue(0, "fr_CA", "fr-CA"), "en": Tongue(1, "en_CA", "en-CA")}


def language_of(configured: str) -> Language:
    """The language of the pages of an account whose contacts are written to in `configured`, such as `fr_ca`."""
    return "en" if configured.startswith("en") else "fr"


@dataclass(frozen=True)
class Words:
    """What is said in one language; `table` may hold more sentences than those that all pages share."""

    language: Language
    table: Mapping[str, Pair] = field(default_factory=lambda: WORDS)

    @property
    def html(self) -> str:
        """The language, as the attribute `lang` names it."""
        return TONGUES[self.language].html

    @cached_property
    def locale(self) -> Locale:
        """How numbers and days are written."""
        return Locale.parse(TONGUES[self.language].locale)

    def say(self, key: str, /, **values: object) -> str:
        """A sentence, its numbers and days written out; `n` chooses the singular or the plural.  KeyError if unknown."""
        sentence = self.table[key][TONGUES[self.language].place]
        one, several, *_ = (*sentence.split("|"), sentence)
        n = values.get("n")
        chosen = one if isinstance(n, int) and self.singular(n) else several
        chosen = _typeset(chosen) if self.language == "fr" else chosen
        return chosen.format(**{name: self.write(value) for name, value in values.items()})

    def name(self, room: str, code: str) -> str:
        """What `code` is called, such as `name("status", "done")`; a code that nobody named is told as it is."""
        return self.say(f"{room}.{code}") if f"{room}.{code}" in self.table else code

    def singular(self, n: int) -> bool:
        """Zero is singular in French, and in French alone."""
        return abs(n) < 2 if self.language == "fr" else n == 1

    def write(self, value: object) -> str:
        """A value inside a sentence."""
        if isinstance(value, bool) or not isinstance(value, int | float | date):
            return str(value)
        return self.day(value) if isinstance(value, date) else self.number(value)

    def number(self, value: float) -> str:
        """1 234,5 or 1,234.5."""
        return format_decimal(value, locale=self.locale)

    def percent(self, value: float) -> str:
        """A part of a whole, in whole per cent."""
        return format_percent(value, locale=self.locale)

    def day(self, value: date) -> str:
        """1er novembre 2026, or November 1, 2026."""
        return self._written(value, format_date(value, "long", locale=self.locale))

    def weekday(self, value: date) -> str:
        """With its weekday: dimanche 1er novembre 2026, or Sunday, November 1, 2026."""
        return self._written(value, format_date(value, "full", locale=self.locale))

    def short_day(self, value: date) -> str:
        """1er nov., or Nov 1: where there is little room."""
        return self._written(value, format_skeleton("MMMd", value, locale=self.locale))

    def moment(self, instant: datetime, zone: ZoneInfo) -> str:
        """An instant (UTC, naive or aware) on the account's clock: day and time."""
        aware = instant if instant.tzinfo else instant.replace(tzinfo=ZoneInfo("UTC"))
        local = aware.astimezone(zone)
        if self.language == "fr":  # 7 h 05: hours have no zero before them
            return f"{self.day(local.date())}, {local.hour}\u00a0h\u00a0{local.minute:02}"
        return f"{self.day(local.date())}, {format_time(local.time(), 'short', locale=self.locale)}"

    def seconds(self, value: float) -> str:
        """A duration: 0,4 s, 3 min 12 s, 1 h 05 min."""
        if value < 60:
            return f"{self.number(round(value, 2 if value < 1 else 1 if value < 10 else 0))}\u00a0s"
        minutes, rest = divmod(round(value), 60)
        if minutes < 60:
            return f"{minutes}\u00a0min {rest:02}\u00a0s"
        hours, minutes = divmod(minutes, 60)
        return f"{hours}\u00a0h {minutes:02}\u00a0min"

    def _written(self, day: date, words: str) -> str:
        """In French the first of a month has an ordinal, and the day stays on a line with its month."""
        if self.language == "en":
            return words
        words = re.sub(r"\b1 ", "1er ", words, count=1) if day.day == 1 else words
        return DAY_AND_MONTH.sub("\\1\u00a0", words)


@lru_cache(maxsize=1024)
def _typeset(sentence: str) -> str:
    """French spaces that must not break: before `:`, `»`, `%` and `$`, after `«`."""
    return NO_BREAK.sub("\u00a0", sentence)
