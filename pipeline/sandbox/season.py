"""An invented venue's history: two years of bookings, then two nights with a story, the same at every call.

Nothing here is real: people, shows and addresses are drawn from short lists with a seeded generator.  The files are
those of a Tuxedo box office (mappings/tuxedo.toml): `;` between the columns, `160,00`, times on the venue's own clock.
The story happens on the last two days to four people who do nothing else; `Season.people` tells it.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from random import Random

ORGANISATION = "Theatre-du-Quai"
"""The venue's name, as its day files carry it."""
LAST_DAY = date(2026, 11, 14)
SMALLEST = (60, 10)
"""The fewest bookings and shows that hold the story."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


COLUMNS = _words("""
    type_operation id_reservation date_transaction date_transaction_initiale id_client courriel prenom nom entreprise
    entreprise_2 telephone ville code_postal date_creation_client id_spectacle titre_spectacle id_representation
    date_evenement date_fin_evenement canal_vente categorie_rapport_1 categorie_rapport_2 categorie_rapport_3
    categorie_tarif nom_interne_tarif regroupement_categorie_prix nb_billets montant_net
""")
_FIRST_NAMES = _words("""
    Adèle Agathe Alexis Amélie Antoine Aurélie Béatrice Bruno Camille Caroline Cédric Charlotte Clément Colette Damien
    Delphine Édith Élise Émile Éric Étienne Fabienne Félix Florence Françoise Gabriel Geneviève Gérald Ginette Hélène
    Hugo Inès Jean-Guy Joël Josée Julien Karine Laurence Léa Louis-Philippe Luc Maëlle Marc-André Marie-Ève Mathilde
    Maxime Mélanie Mylène Nadège Noé Océane Odile Olivier Pascale Raphaël Réjean Rosalie Sébastien Solène Thérèse Zoé
""")
_LAST_NAMES = _words("""
    Arsenault Beaulieu Bélanger Bérubé Boisvert Bouchard Caron Castonguay Chouinard Cloutier D'Amours Deschênes
    Desrosiers Dubé Fortin Gagné Gagnon Gendron Harvey Hébert Jalbert Labrecque Lacroix L'Heureux Langlois Lavoie
    LeBlanc Lepage Lévesque Michaud Morneau Nadeau O'Brien Ouellet Paradis Parent Pelletier Plourde Proulx Rioux Roy
    Saint-Pierre Savard St-Onge Thériault Turcotte Vaillancourt Voyer
""")
_CITIES = (  # city, the start of its postal codes, its area code
    ("Rimouski", "G5L", "418"),
    ("Rivière-du-Loup", "G5R", "418"),
    ("Sainte-Luce", "G0K", "418"),
    ("Québec", "G1R", "418"),
    ("L'Isle-Verte", "G0L", "418"),
    ("Montréal", "H2J", "514"),
    ("Trois-Rivières", "G9A", "819"),
    ("Baie-Comeau", "G4Z", "418"),
)
_COMPANIES = ("Café de l'Anse; traiteur", 'Les "Amis" du quai', "Coopérative des Marées", "École Notre-Dame-du-Phare")
_TITLES = """
L'Arrière-pays des baleines|La Nuit des conteurs|Où va la neige ?|Trio Sœurs d'Avril|Le Piano dans la grange
Contes à rebours|L'Été où la mer a gelé|Quatuor du Fleuve|Ça sent la coupe !|La Traversée, encore|Un cœur en hiver doux
Des étoiles plein les bottes|Garçon manqué, fille réussie|Les Naufrageurs|Hélène, ou le détour|Jazz à marée basse
Le Bal des goélands|À l'ouest du Bic imaginaire|Mon père était phare|Le Cirque de poche|Bruits de cuisine; une comédie
Fado pour une banquise|La Reine des échoueries|Déjà demain|Opéra "Brume"|Ciné-concert : le Vapeur|Ma tante Ozélie
Les Voisins d'en haut|Corps et marées|Petit traité de navigation|Rock'n'loup|La Boîte à musique|Nordet
Le Malentendu du samedi|Chœur d'hommes et de brume|Légendes d'ici-bas|Danse, Rosalie|Humour au bout du quai
Les Quatre Saisons d'à côté|Valse à trois temps morts|Le Silence des rorquals|Bonhomme sept heures et quart
"""
_KINDS = (
    ("Théâtre", "Création"),
    ("Théâtre", "Jeune public"),
    ("Musique", "Classique"),
    ("Musique", "Jazz et monde"),
    ("Danse", "Contemporaine"),
    ("Humour", "Relève"),
    ("Variétés", "Conte"),
)
_SERIES = ("Série Régulière", "Série Découverte", "", "")
_CHANNELS = ("Web", "Web", "Web", "Web", "Web", "Guichet", "Guichet", "Téléphone", "Billetterie mobile", "")
_ODD_ADDRESSES = (
    "{name}+billets@exemple.test",
    "o'{name}@exemple.ca",
    "{name}_@sous.domaine.exemple.test",
    "{capital}@Exemple.Test",
    "  {name}@courriel.exemple.ca ",
    "{name}-2@exemple-du-bas.example.org",
    "{name}.adresse.longue.mais.permise@exemple.test",
)
_DOMAINS = ("exemple.test", "exemple.test", "courriel.exemple.test", "exemple.ca", "poste.example.org")


@dataclass(frozen=True, slots=True)
class Person:
    """A buyer; somebody who changed address used `former_email` until the day before `moved_on`."""

    contact_id: str
    first_name: str
    last_name: str
    email: str
    phone: str = ""
    city: str = ""
    postal_code: str = ""
    company: str = ""
    company_2: str = ""
    created_on: date | None = None
    former_email: str = ""
    moved_on: date | None = None

    def address_on(self, day: date) -> str:
        """The address that this person gives on `day`."""
        return self.former_email if self.moved_on is not None and day < self.moved_on else self.email


@dataclass(frozen=True, slots=True)
class Show:
    """A title, called `former_title` until the day before `renamed_on`; `cents` is the price of a `Général` seat."""

    show_id: str
    title: str
    cents: int
    categories: tuple[str, str, str]
    former_title: str = ""
    renamed_on: date | None = None

    def title_on(self, day: date) -> str:
        """What the box office calls it on `day`."""
        return self.former_title if self.renamed_on is not None and day < self.renamed_on else self.title


@dataclass(frozen=True, slots=True)
class Performance:
    """A dated event of a show, on the venue's clock."""

    performance_id: str
    show: Show
    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True)
class Price:
    """A price category; `percent` of the show's `Général` seat."""

    category: str
    internal_name: str
    group: str
    percent: int


GENERAL = Price("Général", "GEN-26", "Régulier", 100)
CHILD = Price("Enfant", "ENF-12", "Réduit", 60)
_PRICES = (
    GENERAL,
    CHILD,
    Price("Aîné", "AIN-65", "Réduit", 90),
    Price("Étudiant", "ETU", "Réduit", 70),
    Price("Abonné", "ABO-4", "Abonnement", 80),
    Price("Faveur", "", "", 0),
)


@dataclass(frozen=True, slots=True)
class Line:
    """Tickets of one price category; `cents` is their total."""

    price: Price
    tickets: int
    cents: int


@dataclass(frozen=True, slots=True)
class Booking:
    """What one transaction bought for one performance."""

    transaction_id: str
    at: datetime
    initial_on: date | None
    buyer: Person
    performance: Performance
    channel: str
    lines: tuple[Line, ...]

    @property
    def tickets(self) -> int:
        """Of all its lines."""
        return sum(line.tickets for line in self.lines)


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Tickets of a booking given back; `email` may be the buyer's, another, or blank."""

    booking: Booking
    at: datetime
    email: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class People:
    """The story: who does what.

    `anne`, unknown so far, buys on the first night: 2 x Général at 50,00 and 2 x Enfant at 30,00.  `benoit` bought long
    ago, has unsubscribed since (the demo does that on the platform) and buys again on the first night.  `chantal` holds
    3 tickets of a coming show since before the nights and gives one back on the second.  `denis`, unknown so far, buys
    on the first night; the file tells the wrong show and price, the file issued again tells `denis_corrected`.
    """

    anne: Booking
    benoit_before: Booking
    benoit: Booking
    chantal: Booking
    chantal_gives_back: Cancellation
    denis: Booking
    denis_corrected: Booking


class Season:
    """Two years of `bookings` for `shows` titles, up to and with `last_day`; ValueError below `SMALLEST`.

    The same arguments give the same season.  History ends on `history_until`; `first_night` and `second_night` (the
    last day) follow.  `purchases` and `cancellations` hold everything in the order of time, the story included.
    """

    def __init__(self, seed: int = 1, last_day: date = LAST_DAY, bookings: int = 3200, shows: int = 40) -> None:
        if bookings < SMALLEST[0] or shows < SMALLEST[1]:
            raise ValueError(f"a season has at least {SMALLEST[0]} bookings and {SMALLEST[1]} shows")
        random = Random(seed)
        self.last_day = last_day
        self.second_night = last_day
        self.first_night = last_day - timedelta(days=1)
        self.history_until = last_day - timedelta(days=2)
        self.first_day = last_day - timedelta(days=730)
        self.performances = _performances(random, self.first_day, last_day, shows)
        self.shows = tuple(dict.fromkeys(performance.show for performance in self.performances))
        self.people = _story(self.performances, self.first_night)
        told = (self.people.anne, self.people.benoit_before, self.people.benoit, self.people.chantal, self.people.denis)
        crowd = _crowd(random, self.first_day, int(bookings * 0.6))
        ordinary = _bookings(random, (self.first_day, last_day), self.performances, crowd, bookings - len(told))
        given_back = _cancellations(random, ordinary, last_day, round(bookings * 0.04) - 1)
        self.purchases = tuple(sorted([*ordinary, *told], key=_moment))
        self.cancellations = tuple(sorted([*given_back, self.people.chantal_gives_back], key=lambda event: event.at))

    def history_csv(self, until: date, *, corrected: bool = False) -> str:
        """The history up to and with the day `until`: purchases and cancellations, in the order of time."""
        events: list[Booking | Cancellation] = [*self._told(corrected), *self.cancellations]
        return _csv(sorted((event for event in events if event.at.date() <= until), key=lambda event: event.at))

    def purchases_csv(self, day: date, *, corrected: bool = False) -> str:
        """The purchases of `day`; `corrected`: as the file of the first night is issued again."""
        return _csv(booking for booking in self._told(corrected) if booking.at.date() == day)

    def cancellations_csv(self, day: date) -> str:
        """The cancellations of `day`; a header alone on a day without any."""
        return _csv(event for event in self.cancellations if event.at.date() == day)

    def _told(self, corrected: bool) -> Iterable[Booking]:
        wrong, right = self.people.denis, self.people.denis_corrected
        return (right if corrected and booking is wrong else booking for booking in self.purchases)


# The shows


def _performances(random: Random, first_day: date, last_day: date, count: int) -> tuple[Performance, ...]:
    """The story's shows first, one performance each; of the others, every third has two."""
    soon = [last_day + timedelta(days=days) for days in (24, 31, 38, 45, 29, 52, 60)]
    kind = ("Théâtre", "Jeune public", "Série Régulière")
    named = [
        Show("S-1001", "Le Petit Prince des marées", 5000, kind),
        Show("S-1002", "La Ménagerie de sel", 4200, kind),
        Show("S-1003", "Onze heures à l'horloge", 3650, kind),
        Show("S-1004", "L'Écume des nuits", 3800, ("Danse", "Contemporaine", "")),
        Show("S-1005", "Noël au quai", 2500, ("Musique", "Classique", "")),
        Show("S-1006", "Noël au quai", 3100, ("Variétés", "Conte", "")),
        Show(
            "S-1007",
            "Les Oies blanches : la reprise",
            3300,
            ("Musique", "Jazz et monde", "Série Découverte"),
            former_title="Les Oies blanches",
            renamed_on=last_day - timedelta(days=20),
        ),
    ]
    evenings = [datetime.combine(day, time(19, 30)) for day in soon]
    performances = [_performance(show, 1, start, 130) for show, start in zip(named, evenings, strict=True)]
    titles = [title for line in _TITLES.split("\n")[1:-1] for title in line.split("|")]
    others = count - len(named)
    for place in range(others):
        title = titles[place % len(titles)] + (f" ({place // len(titles) + 1})" if place >= len(titles) else "")
        genre, branch = random.choice(_KINDS)
        cents = random.randrange(1800, 6800, 50)
        show = Show(f"S-{1008 + place}", title, cents, (genre, branch, random.choice(_SERIES)))
        day = first_day + timedelta(days=20 + place * 860 // others)
        hour = random.choice((time(19, 30), time(20, 0), time(14, 0), time(22, 30)))
        length = random.choice((105, 130, 150, 0))
        performances += [
            _performance(show, number + 1, datetime.combine(day + timedelta(days=number), hour), length)
            for number in range(2 if place % 3 == 0 else 1)
        ]
    return tuple(performances)


def _performance(show: Show, number: int, start: datetime, minutes: int) -> Performance:
    """The `number`th of a show; `minutes` 0: nobody wrote when it ends."""
    end = start + timedelta(minutes=minutes) if minutes else None
    return Performance(f"P-{show.show_id[2:]}{number}", show, start, end)


# The people


def _crowd(random: Random, first_day: date, count: int) -> list[Person]:
    """The ordinary buyers: every 25th shares the address of the one before, every 50th changed address."""
    crowd: list[Person] = []
    for place in range(count):
        if place % 25 == 24:
            crowd.append(_housemate(random, crowd[-1], place))
        else:
            crowd.append(_person(random, first_day, place))
    return crowd


def _person(random: Random, first_day: date, place: int) -> Person:
    first, last = random.choice(_FIRST_NAMES), random.choice(_LAST_NAMES)
    city, postal, area = random.choice(_CITIES)
    name = f"{_plain(first)}.{_plain(last)}{place}"
    email = f"{name}@{random.choice(_DOMAINS)}"
    if place % 40 == 5:
        odd = _ODD_ADDRESSES[place // 40 % len(_ODD_ADDRESSES)]
        email = odd.format(name=name, capital=name.title())
    moved = place % 50 == 3
    return Person(
        contact_id=f"{20000 + place:07d}",
        first_name=_perhaps(random, first, 0.97),
        last_name=last,
        email=email,
        phone=_perhaps(random, f"{area} 555-{100 + place % 100:04d}", 0.8),
        city=_perhaps(random, city, 0.95),
        postal_code=_perhaps(random, f"{postal} {place % 9 + 1}{'ABCEGHJ'[place % 7]}{place // 9 % 9 + 1}", 0.92),
        company=_perhaps(random, random.choice(_COMPANIES), 0.08),
        company_2=_perhaps(random, "Comité des billets", 0.02),
        created_on=first_day - timedelta(days=random.randrange(1, 3000)) if random.random() < 0.9 else None,
        former_email=f"{name}@ancien.exemple.test" if moved else "",
        moved_on=first_day + timedelta(days=random.randrange(200, 550)) if moved else None,
    )


def _housemate(random: Random, other: Person, place: int) -> Person:
    """Somebody else who lives there and uses the same address."""
    return Person(
        contact_id=f"{20000 + place:07d}",
        first_name=random.choice(_FIRST_NAMES),
        last_name=other.last_name,
        email=other.email,
        phone=other.phone,
        city=other.city,
        postal_code=other.postal_code,
    )


def _plain(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name.lower())
    return re.sub(r"[^a-z]", "", decomposed)


def _perhaps(random: Random, text: str, chance: float) -> str:
    return text if random.random() < chance else ""


# The bookings


def _bookings(
    random: Random, window: tuple[date, date], performances: Sequence[Performance], crowd: Sequence[Person], count: int
) -> list[Booking]:
    """`count` bookings within the window, at least a tenth of it and at most six on each of its last two days."""
    bookings: list[Booking] = []
    evenings = min(6, count // 10)
    coming = [performance for performance in performances if performance.start.date() > window[1] + timedelta(days=2)]
    while len(bookings) < count:
        number = len(bookings)
        if number < 2 * evenings:
            performance, day = random.choice(coming), window[1] - timedelta(days=number % 2)
        else:
            performance = random.choice(performances)
            day = performance.start.date() - timedelta(days=1 + int(random.expovariate(1 / 25)))
            if not window[0] <= day <= window[1]:
                continue
        booking = _booking(random, number, day, performance, crowd)
        bookings.append(booking)
        if number % 20 == 19 and len(bookings) < count:  # one transaction for two evenings
            other = random.choice([found for found in performances if found.start.date() > day])
            if other is not performance:
                bookings.append(replace(booking, performance=other, lines=_lines(random, other.show)))
    return bookings


def _booking(random: Random, number: int, day: date, performance: Performance, crowd: Sequence[Person]) -> Booking:
    """An ordinary booking; the first of the crowd come more often than the last."""
    initial: date | None = day
    chance = random.random()
    if chance < 0.1:  # an exchange, or nobody wrote it
        initial = day - timedelta(days=random.randrange(1, 10)) if chance < 0.05 else None
    return Booking(
        transaction_id=f"R-{300000 + number * 7}",
        at=_time_of(random, day),
        initial_on=initial,
        buyer=crowd[int(len(crowd) * random.random() ** 1.7)],
        performance=performance,
        channel=random.choice(_CHANNELS),
        lines=_lines(random, performance.show),
    )


def _time_of(random: Random, day: date) -> datetime:
    """A moment at which the box office is open: never in an hour that a change of the clock skips or repeats."""
    return datetime.combine(day, time(random.randrange(9, 22), random.randrange(60), random.randrange(60)))


def _lines(random: Random, show: Show) -> tuple[Line, ...]:
    """One price category; two or three for 15 bookings in a hundred."""
    different = random.choice((2, 2, 3)) if random.random() < 0.15 else 1
    prices = [GENERAL, *random.sample(_PRICES[1:], different - 1)] if different > 1 else [random.choice(_PRICES)]
    return tuple(_line(show, price, random.choice((1, 2, 2, 2, 3, 4))) for price in prices)


def _line(show: Show, price: Price, tickets: int) -> Line:
    return Line(price, tickets, show.cents * price.percent // 100 * tickets)


def _cancellations(random: Random, bookings: Sequence[Booking], last_day: date, count: int) -> list[Cancellation]:
    """`count` cancellations, every third partial; one in ten comes without an address, one in ten with another."""
    found: list[Cancellation] = []
    for booking in random.sample(bookings, len(bookings)):
        if len(found) == count:
            break
        latest = min(last_day, booking.performance.start.date() - timedelta(days=1))
        days = (latest - booking.at.date()).days
        partial = len(found) % 3 == 1
        if days < 1 or (partial and booking.lines[0].tickets < 2):
            continue
        at = _time_of(random, booking.at.date() + timedelta(days=1 + random.randrange(days)))
        first = booking.lines[0]
        lines = (Line(first.price, 1, first.cents // first.tickets),) if partial else booking.lines
        email = booking.buyer.address_on(booking.at.date())
        if len(found) % 10 == 3:
            email = ""
        elif len(found) % 10 == 7:
            email = f"bureau{len(found)}@exemple.test"
        found.append(Cancellation(booking, at, email, lines))
    return found


# The story


def _story(performances: Sequence[Performance], night: date) -> People:
    """The four people's bookings, for the first four shows and one of long ago; `night`: the first."""
    prince, wrong, right, dance = performances[:4]
    past = max((each for each in performances if each.start.date() < night - timedelta(days=200)), key=_start)
    anne = _told("1", _at(night, 10), _friend("1", "Anne", "Tremblay", "Rimouski", "G5L 1A1"), prince)
    benoit = _told("2", _at(night, 13), _friend("2", "Benoît", "Côté", "Rivière-du-Loup", "G5R 2B2"), prince)
    chantal_held = _at(night - timedelta(days=12), 11)
    chantal = _told("3", chantal_held, _friend("3", "Chantal", "Bergeron", "Québec", "G1R 3C3"), dance, 3)
    denis = _told("4", _at(night, 17), _friend("4", "Denis", "Bélisle", "Sainte-Luce", "G0K 4E4"), wrong)
    returned = (_line(dance.show, GENERAL, 1),)
    return People(
        anne=replace(anne, lines=(*anne.lines, _line(prince.show, CHILD, 2))),
        benoit_before=_told("0", _at(past.start.date() - timedelta(days=9), 15), benoit.buyer, past),
        benoit=benoit,
        chantal=chantal,
        chantal_gives_back=Cancellation(chantal, _at(night + timedelta(days=1), 16), chantal.buyer.email, returned),
        denis=denis,
        denis_corrected=replace(denis, performance=right, lines=(_line(right.show, GENERAL, 2),)),
    )


def _friend(number: str, first_name: str, last_name: str, city: str, postal_code: str) -> Person:
    email = f"{_plain(first_name)}.{_plain(last_name)}@exemple.test"
    phone = f"418 555-019{number}"
    return Person(f"009000{number}", first_name, last_name, email, phone, city, postal_code)


def _told(number: str, at: datetime, buyer: Person, performance: Performance, tickets: int = 2) -> Booking:
    lines = (_line(performance.show, GENERAL, tickets),)
    return Booking(f"R-90000{number}", at, at.date(), buyer, performance, "Web", lines)


def _at(day: date, hour: int) -> datetime:
    return datetime.combine(day, time(hour, 15))


def _start(performance: Performance) -> datetime:
    return performance.start


# The files


def _moment(booking: Booking) -> tuple[datetime, str, str]:
    return booking.at, booking.transaction_id, booking.performance.performance_id


def _csv(events: Iterable[Booking | Cancellation]) -> str:
    """The events as a day file, one row per line; text that ends in a line end."""
    page = io.StringIO(newline="")
    writer = csv.writer(page, delimiter=";", lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for event in events:
        if isinstance(event, Booking):
            writer.writerows(_rows(event, "ACHAT", event.at, event.buyer.address_on(event.at.date()), event.lines))
        else:
            writer.writerows(_rows(event.booking, "ANNULATION", event.at, event.email, event.lines))
    return page.getvalue()


def _rows(booking: Booking, operation: str, at: datetime, email: str, lines: Iterable[Line]) -> Iterable[list[str]]:
    """One row per line; a cancellation's amounts are negative."""
    buyer, performance, show = booking.buyer, booking.performance, booking.performance.show
    sign = "-" if operation == "ANNULATION" else ""
    head = [operation, booking.transaction_id, at.isoformat(" "), _day(booking.initial_on), buyer.contact_id, email]
    who = [buyer.first_name, buyer.last_name, buyer.company, buyer.company_2]
    where = [buyer.phone, buyer.city, buyer.postal_code, _day(buyer.created_on)]
    what = [show.show_id, show.title_on(at.date()), performance.performance_id]
    when = [f"{performance.start:%Y-%m-%d %H:%M}", f"{performance.end:%Y-%m-%d %H:%M}" if performance.end else ""]
    common = [*head, *who, *where, *what, *when, booking.channel, *show.categories]
    for line in lines:
        price, amount = line.price, f"{line.cents // 100},{line.cents % 100:02d}"
        yield [*common, price.category, price.internal_name, price.group, str(line.tickets), sign + amount]


def _day(day: date | None) -> str:
    return day.isoformat() if day else ""
