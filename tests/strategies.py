"""Small histories of a box office, as Hypothesis draws them: few people, few shows, and much that is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from hypothesis import strategies as st
from world import Line, buy, cancel

FIRST_DAY = date(2026, 3, 2)
PEOPLE = ("anne@exemple.ca", "bob@exemple.org", "chloé.roy@exemple.ca", "d'arc@exemple.test", "eve+ami@exemple.ca")
TITLES = ("Le Songe", "La Cenerentola")
TIMES = ("09:00:00", "12:30:00", "12:30:00", "23:59:59")
WORDS = st.sampled_from(["", "", "Québec", 'Théâtre; "guillemets"', "Zoé"])


@dataclass(frozen=True)
class Performance:
    """One performance as its columns; ids may be missing."""

    show_id: str
    title: str
    performance_id: str
    start: str
    end: str

    def columns(self) -> dict[str, str]:
        """What a line says of it."""
        return {
            "id_spectacle": self.show_id,
            "titre_spectacle": self.title,
            "id_representation": self.performance_id,
            "date_evenement": self.start,
            "date_fin_evenement": self.end,
        }


@dataclass(frozen=True)
class Past:
    """What a box office tells: lines by business date, empty days too; `as_of` is the day after the last."""

    days: Mapping[date, Sequence[Line]]

    @property
    def as_of(self) -> date:
        """The day after the last day."""
        return max(self.days) + timedelta(days=1)

    @property
    def lines(self) -> list[Line]:
        """All of it."""
        return [line for lines in self.days.values() for line in lines]

    def with_day(self, day: date, lines: Sequence[Line]) -> Past:
        """The same, but this day."""
        return replace(self, days={**self.days, day: lines})


@st.composite
def performances(draw: st.DrawFn, shows: int) -> list[Performance]:
    """One or two performances for each show: some are over, some at the edge of the grace, some to come."""
    found = []
    for number in range(shows):
        show_id = draw(st.sampled_from([f"S{number}", f"S{number}", ""]))
        title = draw(st.sampled_from(TITLES))
        for part in range(draw(st.integers(1, 2))):
            day = FIRST_DAY + timedelta(days=draw(st.sampled_from([-9, -1, 0, 1, 2, 20])))
            end = draw(st.sampled_from([None, None, 0, 2]))
            found.append(
                Performance(
                    show_id,
                    title,
                    draw(st.sampled_from([f"R{number}{part}", ""])),
                    f"{day} 20:00:00",
                    "" if end is None else f"{day + timedelta(days=end)} 22:30:00",
                )
            )
    return found


@st.composite
def purchases(
    draw: st.DrawFn, transaction: str, day: date, people: Sequence[str], plays: Sequence[Performance]
) -> list[Line]:
    """One transaction: one or two performances, each of one or two price categories."""
    email, at = draw(st.sampled_from(people)), f"{day} {draw(st.sampled_from(TIMES))}"
    person = {
        "id_client": draw(st.sampled_from(["", f"C-{email}"])),
        "prenom": draw(WORDS),
        "nom": draw(WORDS),
        "ville": draw(WORDS),
        "entreprise_2": draw(WORDS),
    }
    lines: list[Line] = []
    for play in draw(st.lists(st.sampled_from(plays), min_size=1, max_size=2, unique=True)):
        more = {"canal_vente": draw(WORDS), "categorie_rapport_1": draw(WORDS)}
        for price in draw(st.lists(st.sampled_from(["Général", "Enfant", ""]), min_size=1, max_size=2)):
            count = draw(st.integers(0, 3))
            more |= {"categorie_tarif": price, "nb_billets": str(count), "montant_net": f"{count * 33},3{count}"}
            lines.append(buy(transaction, at, email, **person, **play.columns(), **more))
    return lines


@st.composite
def cancellations(
    draw: st.DrawFn, day: date, people: Sequence[str], sold: Sequence[Line], plays: Sequence[Performance]
) -> Line:
    """A cancellation of something sold, or of what nobody knows; its address is right, another, or missing."""
    at = f"{day} {draw(st.sampled_from(TIMES))}"
    stated = draw(st.sampled_from(["", *people, "inconnu@exemple.test"]))
    if sold and draw(st.integers(0, 5)):
        line = draw(st.sampled_from(sold))
        told = {key: line[key] for key in Performance("", "", "", "", "").columns()}
        if draw(st.integers(0, 4)) == 0:
            told = draw(st.sampled_from(plays)).columns()
        elif draw(st.integers(0, 4)) == 0:
            told = dict.fromkeys(told, "")
        email = draw(st.sampled_from([stated, line["courriel"]]))
        return cancel(line["id_reservation"], at, email, **told, nb_billets=str(draw(st.integers(1, 3))))
    return cancel(draw(st.sampled_from(["T0-1", "INCONNUE"])), at, stated, **draw(st.sampled_from(plays)).columns())


@st.composite
def pasts(draw: st.DrawFn, *, told_again: bool = True) -> Past:
    """Three to six days; with `told_again`, a later file may tell a booking of an earlier day anew."""
    people = PEOPLE[: draw(st.integers(2, 5))]
    plays = draw(performances(draw(st.integers(2, 4))))
    sold: list[Line] = []
    days: dict[date, list[Line]] = {}
    for number in range(draw(st.integers(3, 6))):
        day = FIRST_DAY + timedelta(days=number)
        lines: list[Line] = []
        for event in range(draw(st.integers(0, 3))):
            if draw(st.integers(0, 2)):
                lines += draw(purchases(f"T{number}-{event}", day, people, plays))
            else:
                lines.append(draw(cancellations(day, people, [*sold, *_bought(lines)], plays)))
        if told_again and sold and _bought(lines) and draw(st.booleans()):
            lines.append({**draw(st.sampled_from(sold)), "nb_billets": "7", "categorie_tarif": "Corrigé"})
        sold += [line for line in _bought(lines) if line["date_transaction"].startswith(str(day))]
        days[day] = lines
    return Past(days)


@st.composite
def mistakes(draw: st.DrawFn, past: Past) -> tuple[date, list[Line]]:
    """A day of `past`, and what its file wrongly said at first: lines lacking, lines changed, lines that never were."""
    day = draw(st.sampled_from(sorted(past.days)))
    wrong: list[Line] = []
    for line in past.days[day]:
        fate = draw(st.sampled_from(["kept", "lost", "other person", "other count"]))
        if fate == "other person":
            wrong.append({**line, "courriel": draw(st.sampled_from(PEOPLE)), "ville": "Ailleurs"})
        elif fate == "other count":
            wrong.append({**line, "nb_billets": "9", "canal_vente": "Erreur"})
        elif fate == "kept":
            wrong.append(line)
    plays = [play for play in draw(performances(2)) if play]
    if draw(st.booleans()):
        wrong += draw(purchases("T-FAUX", day, PEOPLE, plays))
    if draw(st.booleans()):
        wrong.append(draw(cancellations(day, PEOPLE, _bought(past.lines), plays)))
    return day, [line for line in wrong if line["date_transaction"].startswith(str(day))]


def _bought(lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if line["type_operation"] == "ACHAT"]
