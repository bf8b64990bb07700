"""What the platform must hold after a history: plain Python over the lines, written from the rules alone.

It knows nothing of the program.  It is told every version of every file that was ever at the source, which of them are the
truth, what staff did (with what the platform held at that moment) and the as-of days of the runs; it says what is wrong.

Where a crash leaves two outcomes right, both are: a value is one of a set, a seat is *must*, *may* or *never*:
- A seat must be taken when a booking that counts may still join on the last as-of day, may be taken when it could join on
  an earlier as-of day (the run of that day may have died), and is never taken otherwise.
- A version that was corrected may leave behind what is never taken back: a later consent with its proof, a personal value
  that the truth leaves empty, a contact in the general group alone.
- What staff edits stays until the contact is written again; a booking newer than all that was told before writes it again.
- A group, or a member, that staff deleted comes back for a booking newer than all that was told before the deletion; may come
  back when something of the contact was still on its way; else stays away.
- Who shares a contact id with somebody who unsubscribed is as they were then, if both were known and nothing was on its way;
  else nothing is said of them.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import product

Line = Mapping[str, str]
Value = str | int | float
Values = Mapping[str, Value]

GENERAL = "Clients Tuxedo"
PURCHASE_TEXTS = {
    "Catégorie de rapport #1 du dernier achat": "categorie_rapport_1",
    "Catégorie de rapport #2 du dernier achat": "categorie_rapport_2",
    "Catégorie de rapport #3 du dernier achat": "categorie_rapport_3",
    "Canal de vente du dernier achat": "canal_vente",
    "Titre du dernier spectacle acheté": "titre_spectacle",
    "Date de transaction initiale du dernier achat": "date_transaction_initiale",
}
JOINED = {
    "Catégorie du tarif du dernier achat": "categorie_tarif",
    "Nom interne du tarif du dernier achat": "nom_interne_tarif",
    "Regroupement de catégorie de prix du dernier achat": "regroupement_categorie_prix",
}
DATE, TICKETS, AMOUNT = (
    "Date de l'événement du dernier achat",
    "Nombre de billets vendus lors du dernier achat",
    "Montant net du dernier achat",
)
PERSONAL = {
    "Identifiant unique du contact": "id_client",
    "Numéro de téléphone du contact": "telephone",
    "Date création dossier client": "date_creation_client",
    "Ville du contact": "ville",
    "2ème nom de compagnie du contact": "entreprise_2",
}
CONTACT = "Identifiant unique du contact"
REGULAR = {"firstname": "prenom", "lastname": "nom", "postalCode": "code_postal", "company": "entreprise"}


@dataclass(frozen=True)
class Told:
    """One version of one file: its business date, its lines, the step at which it came, whether it is the truth."""

    business_date: date
    backfill: bool
    lines: tuple[Line, ...]
    step: int
    truth: bool


@dataclass(frozen=True)
class Act:
    """What staff (or the person) did before the runs of `step`: `what`, to whom, the group's title or the field and value.

    `before` is the platform as it stood; `quiet`: the last run had ended well, so nothing was on its way.
    """

    step: int
    what: str
    email: str = ""
    title: str = ""
    field: str = ""
    value: str = ""
    before: Platform | None = None
    quiet: bool = False


@dataclass(frozen=True)
class Person:
    """A person as the platform stores them."""

    state: str
    texts: Mapping[str, str]
    fields: Values
    groups: frozenset[str]
    relation: str | None
    consent_date: date | None
    proof: str


@dataclass(frozen=True)
class Platform:
    """What the platform stores: people by address, groups' titles."""

    people: Mapping[str, Person]
    titles: tuple[str, ...]


@dataclass(frozen=True)
class Past:
    """All that happened: files, acts, the as-of day of every run by step; the policy as far as it matters."""

    told: Sequence[Told]
    acts: Sequence[Act]
    as_ofs: Sequence[date]
    groups: str = "per-show"
    cancellation: str = "any"
    cancelled_counts: bool = True

    @property
    def last_as_of(self) -> date:
        return max(self.as_ofs)


@dataclass(frozen=True)
class Booking:
    """All purchase lines of one (transaction, performance), and the step at which they first came."""

    email: str
    transaction: str
    at: str
    performance: str
    show: str
    title: str
    start: str
    end_on: date
    tickets: int
    cents: int
    texts: Mapping[str, str]
    personal: Mapping[str, str]
    step: int

    @property
    def order(self) -> tuple[str, ...]:
        return (self.at, self.transaction, self.start, self.performance)

    @property
    def day(self) -> date:
        return date.fromisoformat(self.at[:10])

    @property
    def proof(self) -> str:
        tail = f", {self.start[:10]}, transaction {self.transaction}"
        return self.title[: 255 - len(tail)].rstrip() + tail


@dataclass(frozen=True)
class Cancellation:
    email: str
    transaction: str
    at: str
    performance: str
    show: str
    tickets: int


@dataclass
class Ledger:
    """The bookings and cancellations that some versions tell, each booking once: the newest business date wins."""

    bookings: list[Booking] = field(default_factory=list)
    cancellations: list[Cancellation] = field(default_factory=list)

    @classmethod
    def of(cls, told: Iterable[Told]) -> Ledger:
        chosen: dict[tuple[str, str], Booking] = {}
        acts: dict[tuple[str, str, str], Cancellation] = {}
        for version in sorted(told, key=lambda one: (one.business_date, not one.backfill, one.step)):
            parts: dict[tuple[str, str], list[Line]] = {}
            lost: dict[tuple[str, str, str], list[Line]] = {}
            for line in version.lines:
                key = (line.get("id_reservation", ""), line.get("id_representation", ""))
                if line.get("type_operation", "") == "ACHAT":
                    parts.setdefault(key, []).append(line)
                else:
                    lost.setdefault((*key, line.get("date_transaction", "")), []).append(line)
            chosen.update({key: _booking(lines, version.step) for key, lines in parts.items()})
            acts.update({key: _cancellation(lines) for key, lines in lost.items()})
        return cls(list(chosen.values()), list(acts.values()))

    def since(self, day: date) -> Ledger:
        """Rule 12: what is older is purged."""
        kept = [one for one in self.bookings if one.day >= day]
        return Ledger(kept, [act for act in self.cancellations if date.fromisoformat(act.at[:10]) >= day])

    def of_person(self, email: str) -> list[Booking]:
        return sorted((one for one in self.bookings if one.email == email), key=lambda one: one.order)

    def concerned(self, act: Cancellation) -> set[str]:
        """Rule 7: the buyer of its transaction; an unknown transaction: the address that it carries, if it bought the show."""
        bought = [one for one in self.bookings if one.transaction == act.transaction]
        if bought:
            same = [one for one in bought if one.performance == act.performance]
            same = same or [one for one in bought if one.show == act.show] or bought
            return {one.email for one in same}
        return {one.email for one in self.bookings if one.email == act.email and one.show == act.show}

    def acts_on(self, email: str, place: str, groups: str) -> list[Cancellation]:
        """The cancellations that concern this person and this show (or performance)."""
        return [act for act in self.cancellations if email in self.concerned(act) and _place(act, groups) == place]


def _place(one: Booking | Cancellation, groups: str) -> str:
    return one.performance if groups == "per-performance" else one.show


def _booking(lines: Sequence[Line], step: int) -> Booking:
    def first(column: str) -> str:
        return next((line[column] for line in lines if line.get(column)), "")

    def joined(column: str) -> str:
        return ", ".join(dict.fromkeys(line[column] for line in lines if line.get(column)))

    texts = {name: first(column) for name, column in PURCHASE_TEXTS.items()}
    texts |= {name: joined(column) for name, column in JOINED.items()}
    personal = {name: first(column) for name, column in {**PERSONAL, **REGULAR}.items()}
    return Booking(
        email=first("courriel").strip().lower(),
        transaction=first("id_reservation"),
        at=first("date_transaction"),
        performance=first("id_representation"),
        show=first("id_spectacle"),
        title=first("titre_spectacle"),
        start=first("date_evenement"),
        end_on=date.fromisoformat((first("date_fin_evenement") or first("date_evenement"))[:10]),
        tickets=sum(int(line.get("nb_billets", "")) for line in lines),
        cents=sum(round(float(line.get("montant_net", "").replace(",", ".")) * 100) for line in lines),
        texts=texts,
        personal=personal,
        step=step,
    )


def _ids(email: str, bookings: Iterable[Booking]) -> set[str]:
    """The contact ids under which these bookings know an address."""
    return {booking.personal[CONTACT] for booking in bookings if booking.email == email} - {""}


def _cancellation(lines: Sequence[Line]) -> Cancellation:
    one = lines[0]
    tickets = sum(int(line.get("nb_billets", "")) for line in lines)
    return Cancellation(
        next((line["courriel"] for line in lines if line.get("courriel")), "").strip().lower(),
        one.get("id_reservation", ""),
        one.get("date_transaction", ""),
        one.get("id_representation", ""),
        one.get("id_spectacle", ""),
        tickets,
    )


def ended(start: date, as_of: date) -> bool:
    """Rule 4: implied consent lasts 24 calendar months, the end of the month clamped, through its last day."""
    return as_of > months_before(start, -24)


def months_before(day: date, months: int) -> date:
    """So many calendar months earlier, the end of the month clamped."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def may_join(booking: Booking, as_of: date) -> bool:
    """Rule 6: the performance ended at most 3 days before the as-of day."""
    return (as_of - booking.end_on).days <= 3


class Model:
    """What must be, for one past."""

    def __init__(self, past: Past) -> None:
        self.past = past
        whole = Ledger.of(one for one in past.told if one.truth)
        self.true = whole.bookings
        self.truth = whole.since(months_before(min(past.as_ofs), 26))
        self.purged = [one for one in whole.bookings if one not in self.truth.bookings]
        self.every = [_booking(lines, told.step) for told in past.told for lines in _parts(told)]
        self.first_told: dict[tuple[str, str, str], int] = {}
        for one in sorted(self.every, key=lambda booking: booking.step):
            self.first_told.setdefault((one.email, one.transaction, one.performance), one.step)

    def wrong(self, found: Platform) -> list[str]:
        """Everything on the platform that should not be as it is, in words; the first naming of twin titles that fits is taken."""
        tries = [list(self._wrong(found, titles)) for titles in self._namings()]
        return min(tries, key=len)

    # Groups: two shows of one title get two groups, and who came first is not said

    def _namings(self) -> Iterator[dict[str, str]]:
        """Each way to give every show (performance) its title."""
        shows: dict[str, Booking] = {}
        for one in sorted(self.every, key=lambda booking: booking.start):
            shows.setdefault(_place(one, self.past.groups), one)
        if self.past.groups == "general-only":
            shows = {}
        plain = {
            place: one.title if self.past.groups == "per-show" else f"{one.title} ({one.start[:16]})"
            for place, one in shows.items()
        }
        twins = [title for title in plain.values() if list(plain.values()).count(title) > 1]
        options = [[title, f"{title} #{place}"] if title in twins else [title] for place, title in plain.items()]
        for names in product(*options):
            if len(set(names)) == len(names):
                renamed = {act.title: act.value for act in self.past.acts if act.what == "rename"}
                yield {place: renamed.get(name, name) for place, name in zip(shows, names, strict=True)}

    def _wrong(self, found: Platform, titles: Mapping[str, str]) -> Iterator[str]:
        folded = [title.strip().casefold() for title in found.titles]
        yield from (f"two groups are called {title}" for title in set(folded) if folded.count(title) > 1)
        emails = {one.email for one in self.every} | set(found.people) | {act.email for act in self.past.acts}
        for email in sorted(emails - {""}):
            yield from (f"{email}: {what}" for what in self._person(email, found.people.get(email), titles))

    # People

    def _person(self, email: str, found: Person | None, titles: Mapping[str, str]) -> Iterator[str]:
        left = next((act for act in self._acts(email) if act.what in {"unsubscribe", "bounce"}), None)
        other = next(
            (act for act in self.past.acts if act.what == "unsubscribe" and self._linked(email, act.email)), None
        )
        if left is not None:
            yield from self._frozen(email, left, found)
            return
        if other is not None:
            if other.quiet and self._linked(email, other.email, before=other.step) and self._same_person(email, other):
                yield from self._frozen(email, other, found)
            return
        bookings = self._counted(email)
        deleted = next((act for act in reversed(self._acts(email)) if act.what == "delete member"), None)
        must = self._sendable(email) and (deleted is None or self._again(email, deleted))
        if found is None:
            if must:
                yield "is not among the members"
            return
        if not must and not self._may_be_there(email, deleted):
            yield "is a member, and should not be"
        elif self._sendable(email):
            yield from self._values(email, found, bookings)
            yield from self._consent(email, found, bookings[-1])
        yield from self._groups(email, found, titles)

    def _counted(self, email: str) -> list[Booking]:
        """The bookings that count as last purchase and for the consent, in their order."""
        mine = self.truth.of_person(email)
        return mine if self.past.cancelled_counts else [one for one in mine if not self._undone(one)]

    def _undone(self, one: Booking) -> bool:
        """Whether as many tickets were cancelled since as were bought."""
        acts = [
            act.tickets
            for act in self.truth.cancellations
            if (act.transaction, act.performance) == (one.transaction, one.performance) and act.at >= one.at
        ]
        return bool(acts) and sum(acts) >= one.tickets

    def _sendable(self, email: str) -> bool:
        counted = self._counted(email)
        return bool(counted) and not ended(counted[-1].day, self.past.last_as_of)

    def _linked(self, email: str, other: str, before: int = 10**6) -> bool:
        """Whether two addresses are known (before a step) under one contact id."""

        known = [booking for booking in self.every if booking.step < before]
        return email != other and bool(_ids(email, known) & _ids(other, known))

    def _same_person(self, email: str, left: Act) -> bool:
        """Whether the files say so still: a corrected one may have taken back what tied the two addresses."""
        return bool(_ids(email, self.true) & _ids(left.email, self.true))

    def _acts(self, email: str) -> list[Act]:
        return [act for act in self.past.acts if act.email == email]

    def _frozen(self, email: str, left: Act, found: Person | None) -> Iterator[str]:
        """Rules 8 and 9: who is suppressed stays as they were."""
        assert left.before is not None
        was = left.before.people.get(email)
        state = {"unsubscribe": "unsubscribed", "bounce": "bounced"}[left.what] if email == left.email else "subscribed"
        if was is None and email != left.email:
            yield from () if found is None else ["is a member, and another address of theirs had left"]
        elif found is None or found.state != state:
            yield f"had left ({left.what}) and is {None if found is None else found.state}"
        elif was is not None and (found.texts, found.fields) != (was.texts, was.fields):
            yield f"was written to after leaving: {was} became {found}"
        elif was is not None and (found.relation, found.consent_date) != (was.relation, was.consent_date):
            yield f"got a consent after leaving: {was} became {found}"
        elif was is not None and not found.groups <= self._renamed(was.groups):
            yield f"joined groups after leaving: {was} became {found}"

    def _renamed(self, titles: Iterable[str]) -> frozenset[str]:
        """Titles as staff may have changed them since."""
        new = {act.title: act.value for act in self.past.acts if act.what == "rename"}
        return frozenset(titles) | {new[title] for title in titles if title in new}

    def _may_be_there(self, email: str, deleted: Act | None) -> bool:
        if any(act.what in {"seed", "express"} for act in self._acts(email)):
            return True
        if deleted is None:
            return any(one.email == email and not ended(one.day, min(self.past.as_ofs)) for one in self.every)
        assert deleted.before is not None
        away = deleted.quiet and email in deleted.before.people
        return not away or any(one.email == email and one.step >= deleted.step for one in self.every)

    def _again(self, email: str, act: Act) -> bool:
        """Whether a booking came after the act that is newer than all that was told before."""
        before = [one.order for one in self.every if one.email == email and one.step < act.step]
        news = [one for one in self._counted(email) if self._came(one) >= act.step]
        return any(not before or one.at > max(before)[0] for one in news)

    def _came(self, one: Booking) -> int:
        return self.first_told[one.email, one.transaction, one.performance]

    def _values(self, email: str, found: Person, bookings: Sequence[Booking]) -> Iterator[str]:
        last = bookings[-1]
        wanted: dict[str, set[str]] = {name: {text} for name, text in last.texts.items()}
        wanted |= {DATE: {last.start[:10]}, TICKETS: {_plain(last.tickets)}, AMOUNT: {_plain(last.cents / 100)}}
        for name in {**PERSONAL, **REGULAR}:
            mine = self.truth.of_person(email)
            latest = next((one.personal[name] for one in reversed(mine) if one.personal[name]), "")
            memory = {one.personal[name] for one in self.every if one.email == email}
            wanted[name] = {latest} if latest else {"", *memory}
        for act in self._acts(email):
            personal_and_empty = act.field in PERSONAL | REGULAR and "" in wanted.get(act.field, ())
            if act.what in {"edit", "seed"} and (not self._again(email, act) or personal_and_empty):
                wanted.setdefault(act.field, set()).add(act.value)
        for name, allowed in wanted.items():
            theirs = found.texts.get(name, "") if name in REGULAR else found.fields.get(name, "")
            if _plain(theirs) not in {_plain(text[:255]) for text in allowed}:
                yield f"{name} is {theirs!r}, should be {' or '.join(map(repr, sorted(allowed)))}"

    def _consent(self, email: str, found: Person, last: Booking) -> Iterator[str]:
        express = [act for act in self._acts(email) if act.what == "express"]
        deleted = [act for act in self._acts(email) if act.what == "delete member"]
        theirs = (found.relation, found.consent_date, found.proof)
        if express and not any(act.step >= express[-1].step for act in deleted):
            if found.relation != "express-consent":
                yield f"the express consent was downgraded to {theirs}"
            return
        allowed = {("active-clients", last.day, last.proof)}
        allowed |= {
            ("active-clients", one.day, one.proof) for one in self.every if one.email == email and one.day > last.day
        }
        if theirs not in allowed:
            yield f"the consent is {theirs}, should be {sorted(allowed)}"

    # Seats

    def _groups(self, email: str, found: Person, titles: Mapping[str, str]) -> Iterator[str]:
        sendable = self._sendable(email)
        put = {act.title for act in self._acts(email) if act.what in {"put", "seed"} and act.title}
        yield from self._general(email, found, sendable)
        for place, title in titles.items():
            must, may = self._seat(email, place, sendable)
            gone = self._deletion(email, title)
            if gone is not None:
                must, may = self._seat_after(email, place, (must, may), gone)
            if title in put:
                undone = self._taken_back(email, place)
                must, may = (must or (not undone and gone is None)), True
            inside = title in found.groups
            if must and not inside:
                yield f"is not in {title}"
            if inside and not may:
                yield f"is in {title}, and should not be"
        ours = {self._general_title(), *titles.values()}
        strange = found.groups - ours - put
        if strange:
            yield f"is in {sorted(strange)}"
        for title in put - ours - found.groups:
            if self._deletion(email, title) is None:
                yield f"was taken out of {title}, where staff had put them"

    def _general(self, email: str, found: Person, sendable: bool) -> Iterator[str]:
        gone = self._deletion(email, GENERAL)
        must = sendable and (gone is None or self._again(email, gone))
        if must and self._general_title() not in found.groups:
            yield "is not in the general group"

    def _general_title(self) -> str:
        return next((act.value for act in self.past.acts if act.what == "rename" and act.title == GENERAL), GENERAL)

    def _counting(self, email: str, place: str) -> list[Booking]:
        """The bookings that still count for a group."""
        mine = [one for one in self.truth.of_person(email) if _place(one, self.past.groups) == place]
        acts = self.truth.acts_on(email, place, self.past.groups)
        if self.past.cancellation == "exact":
            left = sum(one.tickets for one in mine) - sum(act.tickets for act in acts)
            return mine if left > 0 or not acts else []
        return [one for one in mine if all(one.at > act.at for act in acts)]

    def _seat(self, email: str, place: str, sendable: bool) -> tuple[bool, bool]:
        """Rules 6 and 7: must the person be there, may they."""
        counting = self._counting(email, place)
        must = sendable and any(may_join(one, self.past.last_as_of) for one in counting)
        # A seat that was given before its booking was purged stays: a purge is no correction.
        counting += [one for one in self.purged if (one.email, _place(one, self.past.groups)) == (email, place)]
        return must, any(may_join(one, min(self.past.as_ofs)) for one in counting)

    def _taken_back(self, email: str, place: str) -> bool:
        """Whether a cancellation, or a correction, concerns this person and this group."""
        told = [one for one in self.every if one.email == email and _place(one, self.past.groups) == place]
        truth = [one for one in self.truth.of_person(email) if _place(one, self.past.groups) == place]
        return bool(self.truth.acts_on(email, place, self.past.groups)) or len(told) != len(truth)

    def _deletion(self, email: str, title: str) -> Act | None:
        """The last act that took this person's seat away: the group deleted, or the member."""
        acts = [act for act in self.past.acts if act.what == "delete group" and act.title == title]
        acts += [act for act in self._acts(email) if act.what == "delete member"]
        return max(acts, key=lambda act: act.step, default=None)

    def _seat_after(self, email: str, place: str, seat: tuple[bool, bool], gone: Act) -> tuple[bool, bool]:
        """Rule 6: a deleted group comes back only with those who have a booking newer than what was known."""
        must, may = seat
        assert gone.before is not None
        if gone.what == "delete member":
            return must and self._again(email, gone), may
        before = [one.at for one in self.every if one.email == email and one.step < gone.step]
        news = [one for one in self._counting(email, place) if self._came(one) >= gone.step]
        newer = [one for one in news if not before or one.at > max(before)]
        must = must and any(may_join(one, self.past.last_as_of) for one in newer)
        known = gone.quiet and email in gone.before.people and gone.title in gone.before.people[email].groups
        return must, may and (bool(news) or not known)


def _parts(told: Told) -> Iterator[list[Line]]:
    parts: dict[tuple[str, str], list[Line]] = {}
    for line in told.lines:
        if line.get("type_operation", "") == "ACHAT":
            parts.setdefault((line.get("id_reservation", ""), line.get("id_representation", "")), []).append(line)
    yield from parts.values()


def _plain(value: Value) -> str:
    """A value as text, numbers by their value."""
    try:
        return f"{float(value):.2f}"
    except ValueError:
        return str(value).strip()
