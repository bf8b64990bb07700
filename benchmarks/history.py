"""An invented 24-month history of a venue, as large as one likes and the same for every size and seed.

    python benchmarks/history.py 1000000 history.csv

Written in blocks with columns, not rows, so that twenty million lines need little memory: what a contact or a show is
called follows from its number.  Of the lines, 4 % are cancellations; 15 % of the bookings are of several price
categories (a line each); a third as many addresses as lines, a few of them odd but right, 2 in 1,000 no address at all.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(";"))


BLOCK = 200_000
"""Bookings a block."""
LAST_DAY = np.datetime64("2026-11-14", "D")
DAYS = 730
SHOWS = 600
PER_ADDRESS = 0.34
"""Addresses a line."""
FIRST = _words("""
    Adèle; Alexis; Amélie; Antoine; Aurélie; Béatrice; Bruno; Camille; Cédric; Charlotte; Damien; Édith; Élise;
    Éric; Étienne; Fabienne; Félix; Geneviève; Hélène; Inès; Jean-Guy; Joël; Josée; Karine; Léa; Luc; Maëlle;
    Marie-Ève; Maxime; Noé; Océane; Odile; Raphaël; Réjean; Sébastien; Solène; Thérèse; Zoé
""")
LAST = _words("""
    Arsenault; Beaulieu; Bélanger; Bérubé; Boisvert; Bouchard; Caron; Castonguay; Chouinard; Cloutier; D'Amours;
    Deschênes; Dubé; Fortin; Gagné; Gagnon; Harvey; Hébert; Labrecque; L'Heureux; Langlois; Lavoie; Lepage;
    Lévesque; Michaud; Nadeau; O'Brien; Ouellet; Paradis; Pelletier; Plourde; Proulx; Rioux; Roy; Saint-Pierre;
    St-Onge; Thériault; Turcotte; Vaillancourt; Voyer
""")
CITIES = _words("""
    Rimouski; Rivière-du-Loup; Sainte-Luce; Québec; L'Isle-Verte; Montréal; Trois-Rivières; Baie-Comeau
""")
CODES = _words("""
    G5L 1A1; G5R 2B2; G0K 3C3; G1R 4D4; G0L 5E5; H2J 6F6; G9A 7G7; G4Z 8H8
""")
WORDS = _words("""
    L'Arrière-pays; La Nuit; Le Piano; Trio Sœurs; Où va la neige; Les Marées; Cyrano; Phèdre; Le Songe; La Grange
""")
ENDS = _words("""
    des baleines; des conteurs; dans la grange; d'avril; en hiver; du fleuve; de minuit; au quai
""")
CHANNELS = ("Internet", "Guichet", "Téléphone")
CATEGORIES = ("Général", "Enfant", "Aîné", "Étudiant", "Abonné")
PRICES = (5000, 1500, 4000, 2500, 3500)
INNER = ("GEN", "ENF", "AIN", "ETU", "ABO")
REPORTS = ("Théâtre", "Musique", "Danse", "Jeunesse")


@dataclass(frozen=True)
class Size:
    """How many lines, and the seed."""

    lines: int
    seed: int = 1

    @property
    def contacts(self) -> int:
        """How many addresses may occur."""
        return max(1, int(self.lines * PER_ADDRESS))


def write(size: Size, path: Path) -> int:
    """Write the history as one CSV file, oldest first; the number of lines, which is exactly what was asked for."""
    left = size.lines
    with path.open("wb") as file:
        for number, table in enumerate(blocks(size)):
            part = table.slice(0, left)
            csv.write_csv(part, file, csv.WriteOptions(include_header=number == 0, delimiter=";"))
            left -= part.num_rows
    return size.lines - left


def blocks(size: Size) -> Iterator[pa.Table]:
    """The history in blocks, until there are enough lines."""
    made, number = 0, 0
    bookings = max(1, int(size.lines / 1.27))
    while made < size.lines:
        table = _block(size, number * BLOCK, min(BLOCK, bookings), bookings)
        made += table.num_rows
        number += 1
        yield table


def _block(size: Size, first: int, count: int, bookings: int) -> pa.Table:
    random = np.random.default_rng([size.seed, first])
    ids = first + np.arange(count)
    when = _instants(ids, bookings, random)
    contact = np.minimum((random.random(count) ** 1.4 * size.contacts).astype(np.int64), size.contacts - 1)
    show = _show(ids, bookings, random)
    lines = 1 + (random.random(count) < 0.15) * random.integers(1, 3, count)
    bought = np.repeat(np.arange(count), lines)
    place = np.arange(len(bought)) - np.repeat(np.cumsum(lines) - lines, lines)
    category = (random.integers(0, len(CATEGORIES), count)[bought] + place) % len(CATEGORIES)
    tickets = random.integers(1, 5, len(bought))
    cents = tickets * np.array(PRICES)[category]
    gone = np.flatnonzero(random.random(len(bought)) < 0.04 / 0.96)
    row = np.concatenate([bought, bought[gone]])
    act = np.concatenate([np.zeros(len(bought), np.int64), np.ones(len(gone), np.int64)])
    moment = np.concatenate([when[bought], when[bought[gone]] + random.integers(3600, 40 * 86400, len(gone))])
    moment = np.minimum(moment, int((LAST_DAY + 1).astype("datetime64[s]").astype(np.int64)) - 1)
    columns = _columns(ids[row], contact[row], show[row], moment)
    columns |= {
        "type_operation": _pick(("ACHAT", "ANNULATION"), act),
        "categorie_tarif": _pick(CATEGORIES, category[np.concatenate([np.arange(len(bought)), gone])]),
        "nom_interne_tarif": _pick(INNER, category[np.concatenate([np.arange(len(bought)), gone])]),
        "nb_billets": pa.array(np.concatenate([tickets, tickets[gone]])),
        "montant_net": _money(np.concatenate([cents, -cents[gone]])),
    }
    order = np.argsort(moment, kind="stable")
    names = ("type_operation", *(name for name in columns if name != "type_operation"))
    return pa.table({name: columns[name] for name in names}).take(pa.array(order))


def _instants(ids: np.ndarray, bookings: int, random: np.random.Generator) -> np.ndarray:
    """Local seconds since 1970, rising with the number; sold between 8 in the morning and 11 at night."""
    day = (LAST_DAY - DAYS + 1).astype("datetime64[D]") + (ids * DAYS // bookings) % DAYS
    return day.astype("datetime64[s]").astype(np.int64) + random.integers(8 * 3600, 23 * 3600, len(ids))


def _show(ids: np.ndarray, bookings: int, random: np.random.Generator) -> np.ndarray:
    """A show that is on sale at that time: some fifty are, the next ones sell best."""
    begins = ids * (SHOWS - 50) // bookings % (SHOWS - 50)
    return begins + np.minimum(random.exponential(12, len(ids)).astype(np.int64), 49)


def _columns(booking: np.ndarray, contact: np.ndarray, show: np.ndarray, moment: np.ndarray) -> dict[str, pa.Array]:
    first, last = _mixed(contact, 7) % len(FIRST), _mixed(contact, 11) % len(LAST)
    city = _mixed(contact, 13) % len(CITIES)
    night = _mixed(booking, 17) % 3
    plays = (LAST_DAY - DAYS + 20).astype("datetime64[D]") + show * (DAYS + 60) // SHOWS + night
    start = _stamp(plays.astype("datetime64[s]").astype(np.int64) + 20 * 3600)
    created = (LAST_DAY - DAYS - _mixed(contact, 19) % 3000).astype("datetime64[D]")
    text = _texts(contact)
    return {
        "id_reservation": _join("T", booking),
        "date_transaction": _stamp(moment),
        "id_client": _join("C", contact),
        "courriel": _addresses(contact, first, last),
        "prenom": _pick(FIRST, first),
        "nom": _pick(LAST, last),
        "entreprise": pc.if_else(
            pa.array(_mixed(contact, 23) % 20 == 0), pa.scalar("Café de l'Anse; traiteur"), pa.scalar("")
        ),
        "telephone": pc.binary_join_element_wise("418 555-", pc.utf8_slice_codeunits(text, -4), ""),
        "ville": _pick(CITIES, city),
        "code_postal": _pick(CODES, city),
        "date_creation_client": pc.strftime(pa.array(created), "%Y-%m-%d"),
        "id_spectacle": _join("S", show),
        "titre_spectacle": pc.binary_join_element_wise(
            _pick(WORDS, show % len(WORDS)), _pick(ENDS, show // 7 % len(ENDS)), pa.array(_texts(show)), " "
        ),
        "id_representation": _join("R", show * 3 + night),
        "date_evenement": start,
        "canal_vente": _pick(CHANNELS, _mixed(booking, 29) % 3),
        "categorie_rapport_1": _pick(REPORTS, show % len(REPORTS)),
        "regroupement_categorie_prix": _pick(("Régulier", "Forfait"), _mixed(booking, 31) % 2),
    }


def _addresses(contact: np.ndarray, first: np.ndarray, last: np.ndarray) -> pa.Array:
    """One per contact; some with capitals, a plus, an apostrophe; 2 in 1,000 are none."""
    plain = pc.binary_join_element_wise(
        _pick([_ascii(name) for name in FIRST], first), _pick([_ascii(name) for name in LAST], last), "."
    )
    at = _pick(("@exemple.test", "@courrier.exemple.ca", "@exemple.quebec"), _mixed(contact, 37) % 3)
    usual = pc.binary_join_element_wise(plain, _texts(contact), at, "")
    odd = _mixed(contact, 41) % 100
    found = pc.if_else(pa.array(odd == 1), pc.utf8_upper(usual), usual)
    tagged = pc.binary_join_element_wise(plain, "+billets", _texts(contact), at, "")
    found = pc.if_else(pa.array(odd == 2), tagged, found)
    return pc.if_else(pa.array(_mixed(contact, 43) % 500 == 0), pc.replace_substring(found, "@", " chez "), found)


def _ascii(name: str) -> str:
    from unicodedata import normalize

    return normalize("NFD", name).encode("ascii", "ignore").decode().lower().replace(" ", "")


def _mixed(number: np.ndarray, salt: int) -> np.ndarray:
    """A number that looks drawn, and follows from `number` alone."""
    mixed = (number.astype(np.uint64) + np.uint64(salt)) * np.uint64(0x9E3779B97F4A7C15)
    return ((mixed ^ (mixed >> np.uint64(29))) >> np.uint64(20)).astype(np.int64)


def _pick(words: list[str] | tuple[str, ...], places: np.ndarray) -> pa.Array:
    return pa.array(words).take(pa.array(places))


def _texts(numbers: np.ndarray) -> pa.Array:
    return pc.cast(pa.array(numbers + 10_000), pa.string())


def _join(letter: str, numbers: np.ndarray) -> pa.Array:
    return pc.binary_join_element_wise(letter, _texts(numbers), "")


def _stamp(seconds: np.ndarray) -> pa.Array:
    return pc.strftime(pa.array(seconds.astype("datetime64[s]")), "%Y-%m-%d %H:%M:%S")


def _money(cents: np.ndarray) -> pa.Array:
    whole, part = np.divmod(np.abs(cents), 100)
    sign = _pick(("", "-"), (cents < 0).astype(np.int64))
    fraction = pc.utf8_slice_codeunits(pc.cast(pa.array(part + 100), pa.string()), 1)
    return pc.binary_join_element_wise(sign, pc.cast(pa.array(whole), pa.string()), ",", fraction, "")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lines", type=int)
    parser.add_argument("path", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    words = parser.parse_args()
    print(f"{write(Size(words.lines, words.seed), words.path):,} lines in {words.path}")
