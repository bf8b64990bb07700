"""Small histories of a box office, a platform and a program that may die at any moment, as Hypothesis draws them.

A history is a value: the same value is played the same way, but for the instant of a kill that is told in milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import date, timedelta

from hypothesis import strategies as st
from hypothesis.vendor.pretty import RepresentationPrinter
from world import Line, buy, cancel

from pipeline.sandbox.switches import Fault

FIRST_DAY = date(2026, 3, 2)
PEOPLE = ("anne@exemple.ca", "bob@exemple.org", "chloé.roy@exemple.ca", "d'arc@exemple.test", "eve+ami@exemple.ca")
TITLES = ("Le Songe", "La Cenerentola", "Phèdre", "Le Songe")
FRIENDS = "Amis du théâtre"
TIMES = ("09:00:00", "12:30:00", "12:30:00", "23:59:59")
WORDS = ("", "", "Québec", "Montréal", 'Théâtre; "guillemets"', "Zoé")
CITY = "Ville du contact"
CHANNEL = "Canal de vente du dernier achat"


@dataclass(frozen=True)
class Kill:
    """When the process is killed: `request`: a fault of silence struck; `fetch`: the drop fell silent;

    `record`: so many milliseconds after a file was fetched; `instant`: after the start; `count`: after so many requests.
    """

    when: str
    after: int = 0
    fault: Fault | None = None


@dataclass(frozen=True)
class Trick:
    """What the SFTP drop does at the `nth` operation: `drop`, `error`, `hang`, or (reading) `short`."""

    kind: str
    operation: str
    nth: int = 1


@dataclass(frozen=True)
class Attempt:
    """One start of the program: the command, what goes wrong meanwhile, and whether the platform's queue empties after."""

    command: str
    faults: tuple[Fault, ...] = ()
    tricks: tuple[Trick, ...] = ()
    kill: Kill | None = None
    settles: bool = True


@dataclass(frozen=True)
class Deed:
    """What staff or a person does before the night; `which` chooses among what is there then."""

    what: str
    email: str = ""
    which: int = 0


@dataclass(frozen=True)
class Night:
    """One business date: its true lines, what its first file says, how it comes, what is tried, what staff does before.

    `arrival`: `whole`, `late` (after the night), `cut` (in the middle of its last line, then whole), or `wrong` (as in
    `first`, corrected `after` so many nights).
    """

    lines: tuple[Line, ...]
    arrival: str = "whole"
    first: tuple[Line, ...] = ()
    attempts: tuple[Attempt, ...] = (Attempt("run"),)
    deeds: tuple[Deed, ...] = ()
    after: int = 1


@dataclass(frozen=True)
class History:
    """A past that comes as one file, nights, the platform's switches, the account's policy.

    `late`: what the platform still has in its queue before the good run is done after it, and one more run may follow.
    `two_files`: purchases and cancellations come apart; of a late day, one of them is there.
    """

    past: tuple[Line, ...]
    beginning: tuple[Attempt, ...]
    nights: tuple[Night, ...]
    switches: Mapping[str, object]
    policy: Mapping[str, object]
    late: bool = False
    two_files: bool = False

    def day(self, number: int) -> date:
        """The business date of a night."""
        return FIRST_DAY + timedelta(days=number)

    def _repr_pretty_(self, printer: RepresentationPrinter, cycle: bool) -> None:
        """As Python that makes it again, a night a line."""
        printer.text(brief(self).replace("Night(", "\n  Night(").replace(", switches=", ",\n  switches="))


def brief(value: object) -> str:
    """A value as Python that makes it again, without what is as it is by default or blank."""
    if is_dataclass(value) and not isinstance(value, type):
        told = []
        for item in fields(value):
            if item.name.startswith("_"):
                continue
            given = getattr(value, item.name)
            if item.default is MISSING or given != item.default:
                told.append(f"{item.name}={brief(given)}")
        return f"{type(value).__name__}({', '.join(told)})"
    if isinstance(value, tuple):
        return f"({', '.join(map(brief, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {brief(item)}' for key, item in value.items() if item != '')}}}"
    return repr(value)


# The box office


@dataclass(frozen=True)
class Play:
    """A performance, as its columns say."""

    columns: tuple[tuple[str, str], ...]


@st.composite
def plays(draw: st.DrawFn) -> list[Play]:
    """Two or three shows with one or two performances each: long over, at the edge of the grace, to come."""
    found = []
    for number in range(draw(st.integers(2, 3))):
        title = draw(st.sampled_from(TITLES))
        for part in range(draw(st.integers(1, 2))):
            day = FIRST_DAY + timedelta(days=draw(st.sampled_from([-30, -1, 0, 2, 30, 30, 40])))
            end = draw(st.sampled_from([None, None, 1]))
            columns = {
                "id_spectacle": f"S{number}",
                "titre_spectacle": title,
                "id_representation": f"R{number}{part}",
                "date_evenement": f"{day} 20:00:00",
                "date_fin_evenement": "" if end is None else f"{day + timedelta(days=end)} 22:30:00",
            }
            found.append(Play(tuple(columns.items())))
    return found


@st.composite
def purchases(draw: st.DrawFn, transaction: str, day: date, people: Sequence[str], shows: Sequence[Play]) -> list[Line]:
    """One transaction: one or two performances, each of one or two price categories."""
    email, at = draw(st.sampled_from(people)), f"{day} {draw(st.sampled_from(TIMES))}"
    words = draw(st.lists(st.sampled_from(WORDS), min_size=8, max_size=8))
    contact = draw(st.sampled_from([f"C-{email}"] * 7 + ["C-COMMUN"])) if words[7] else ""
    person = {"id_client": contact, "prenom": words[0], "nom": words[1], "ville": words[2]}
    person |= {"entreprise_2": words[3], "telephone": words[4] and "418 555-0199"}
    sale = {
        "canal_vente": words[5],
        "categorie_rapport_1": words[6],
        "date_transaction_initiale": words[4] and str(day),
    }
    lines: list[Line] = []
    for play in draw(st.lists(st.sampled_from(shows), min_size=1, max_size=2, unique=True)):
        for price in draw(st.lists(st.sampled_from(["Général", "Enfant", ""]), min_size=1, max_size=2)):
            count = draw(st.integers(1, 3))
            seat = {"categorie_tarif": price, "nb_billets": str(count), "montant_net": f"{count * 33},3{count}"}
            lines.append(buy(transaction, at, email, **person, **sale, **dict(play.columns), **seat))
    return lines


@st.composite
def cancellations(
    draw: st.DrawFn, day: date, people: Sequence[str], sold: Sequence[Line], shows: Sequence[Play]
) -> Line:
    """A cancellation of something sold, or of what nobody knows; its address is right, another, or missing."""
    at, stated = f"{day} {draw(st.sampled_from(TIMES))}", draw(st.sampled_from(["", *people, "inconnu@exemple.test"]))
    if sold and draw(st.integers(0, 5)) < 5:
        line = draw(st.sampled_from(sold))
        told = {key: line[key] for key, _ in shows[0].columns}
        email = draw(st.sampled_from([stated, line["courriel"]]))
        return cancel(line["id_reservation"], at, email, **told, nb_billets=str(draw(st.integers(1, 3))))
    return cancel("INCONNUE", at, stated, **dict(draw(st.sampled_from(shows)).columns))


@st.composite
def days(draw: st.DrawFn, people: Sequence[str], shows: Sequence[Play], count: int) -> list[list[Line]]:
    """The true lines of each day; a later day may tell a booking of an earlier one anew."""
    sold: list[Line] = []
    found = []
    for number in range(count):
        day = FIRST_DAY + timedelta(days=number)
        lines: list[Line] = []
        for event in range(draw(st.sampled_from([0, 1, 1, 2, 3]))):
            if draw(st.integers(0, 3)) < 3:
                lines += draw(purchases(f"T{number}-{event}", day, people, shows))
            else:
                lines.append(draw(cancellations(day, people, [*sold, *bought(lines)], shows)))
        if sold and bought(lines) and draw(st.integers(0, 3)) == 3:
            lines.append({**draw(st.sampled_from(sold)), "nb_billets": "7", "categorie_tarif": "Corrigé"})
        sold += [line for line in bought(lines) if line["date_transaction"].startswith(str(day))]
        found.append(lines)
    return found


@st.composite
def mistakes(
    draw: st.DrawFn, day: date, truth: Sequence[Line], people: Sequence[str], shows: Sequence[Play]
) -> list[Line]:
    """What a file wrongly said at first: transactions lacking, of other people, of other counts, that never were."""
    wrong: list[Line] = []
    fates: dict[str, tuple[str, str]] = {}
    for line in truth:
        transaction = line["id_reservation"]
        fate = fates.setdefault(
            transaction,
            (draw(st.sampled_from(["kept", "lost", "other person", "other count"])), draw(st.sampled_from(people))),
        )
        if fate[0] == "other person":
            wrong.append({**line, "courriel": fate[1], "ville": "Ailleurs"})
        elif fate[0] == "other count":
            wrong.append({**line, "nb_billets": "9", "canal_vente": "Erreur"})
        elif fate[0] == "kept":
            wrong.append(line)
    if draw(st.booleans()):
        wrong += draw(purchases(f"T-FAUX-{day}", day, people, shows))
    if draw(st.booleans()):
        wrong.append(draw(cancellations(day, people, bought(truth), shows)))
    return wrong if any(line["date_transaction"].startswith(str(day)) for line in wrong) else []


def bought(lines: Sequence[Line]) -> list[Line]:
    """The purchases among the lines."""
    return [line for line in lines if line["type_operation"] == "ACHAT"]


# What goes wrong

READS = (
    ("GET", "/customfields"), ("GET", "/groups"), ("GET", "/batches/*"), ("GET", "/members/unsubscribed"),
    ("GET", "/members/bounced"), ("GET", "/members/*"), ("GET", "/members/*/consent"), ("GET", "/members/*/groups"),
    ("GET", "/groups/*/members"), ("GET", "*"),
)  # fmt: skip
WRITES = (
    ("POST", "/batches"), ("POST", "/batches"), ("POST", "/groups"), ("DELETE", "/members/*/groups/*"),
    ("PATCH", "/members/*"), ("POST", "/members/*/groups"),
)  # fmt: skip
SENDING = (("POST", "/batches"), ("GET", "/batches/*"), ("GET", "/members/*@*"), ("GET", "/groups/*/members"))
"""Between the first batch and its receipt."""
SILENCE = 60.0


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    """A fault of the platform: of reading, of writing, of a batch once it was taken, of whatever comes nth."""
    where = draw(st.sampled_from(["read", "write", "write", "batch", "any", "any"]))
    if where == "batch":
        kind = draw(st.sampled_from(["forget", "lose", "half", "fail", "stall"]))
        return Fault(kind, "POST", "/batches", nth=draw(st.integers(1, 2)))
    method, path = ("*", "*") if where == "any" else draw(st.sampled_from(READS if where == "read" else WRITES))
    nth = draw(st.integers(1, 10)) if where == "any" else draw(st.sampled_from([1, 1, 2]))
    times = draw(st.sampled_from([1, 1, 1, 2, 4]))
    kind = draw(st.sampled_from(["drop", "error", "drop", "error", "garbage", "busy", "hang"]))
    if kind == "busy":
        return Fault("error_before", method, path, nth, times, status=429, retry_after=draw(st.sampled_from(["", "0"])))
    after = draw(st.booleans())
    if kind == "hang":
        return Fault("hang_after" if after else "hang", method, path, nth)
    if kind == "drop":
        return Fault("drop_after" if after else "drop_before", method, path, nth, times)
    status = draw(st.sampled_from([200, 502] if kind == "garbage" else [500, 503]))
    return Fault("error_after" if after else "error_before", method, path, nth, times, status, html=kind == "garbage")


tricks = st.sampled_from(
    [
        Trick(kind, operation, nth)
        for kind in ("drop", "error", "hang")
        for operation in ("list", "look", "open", "read", "close")
        for nth in ((1, 1, 2) if kind != "hang" else (1,))
    ]
    + [Trick("short", "read")] * 4
)


@st.composite
def kills(draw: st.DrawFn) -> Kill:
    """A named point, or any instant."""
    when = draw(st.sampled_from([*["request", "count"] * 4, "instant", "fetch", "record"]))
    if when == "request":
        method, path = draw(st.sampled_from((*READS, *WRITES, *SENDING * 3)))
        kind = draw(st.sampled_from(["hang", "hang_after"]))
        return Kill(when, 0, Fault(kind, method, path, nth=draw(st.sampled_from([1, 1, 1, 2])), seconds=SILENCE))
    longest = {"count": 20, "instant": 700, "fetch": 0, "record": 60}[when]
    return Kill(when, draw(st.integers(1, longest)) if longest else 0)


@st.composite
def attempts(draw: st.DrawFn, commands: Sequence[str]) -> Attempt:
    """One start of the program under faults, killed in one of two."""
    laid = [draw(faults()) for _ in range(draw(st.sampled_from([0, 2, 3, 4, 5])))]
    forgets = any(fault.kind in {"forget", "lose"} for fault in laid)
    return Attempt(
        command=draw(st.sampled_from(commands)),
        faults=tuple(laid),
        tricks=tuple(draw(st.lists(tricks, max_size=1))),
        kill=draw(kills()) if draw(st.booleans()) else None,
        # A batch that the platform has forgotten cannot be waited for: it is done before the next run begins.
        settles=forgets or not draw(st.booleans()),
    )


DEEDS = ("unsubscribe", "bounce", "delete member", "delete group", "edit", "put", "express", "rename")
SWITCHES: dict[str, list[object]] = {
    "unsubscribed_in_batch": ["reject", "skip", "resubscribe"],
    "bounced_in_batch": ["reject", "skip", "resubscribe"],
    "bounced_in_members": [False, True],
    "result_shape": ["ids", "objects", "rows", "strings", "counts", "empty"],
    "never_filled": ["missing", "empty", "null"],
    "patch_fields": ["merge", "replace"],
    "consent_override": ["better", "last"],
    "older_date": ["kept", "applied"],
    "missing_date": ["today", "null", "reject"],
    "numbers": ["given", "strings"],
    "empty_marker": ["clears", "text_only", "rejected"],
    "duplicate_titles": ["allowed", "refused"],
    "unknown_group": ["refused", "ignored"],
    "max_batch": [0, 1, 2],
    "status_completed": ["COMPLETED", "DONE"],
    "batch_polls": [0, 0, 1, 2],
    "throttle_every": [0, 0, 5, 3],
    "retry_after": ["", "0"],
}


POLICIES = {
    "groups": st.sampled_from(["per-show", "per-show", "per-performance", "general-only"]),
    "cancellation": st.sampled_from(["any", "any", "exact"]),
    "cancelled_counts": st.sampled_from([True, True, True, False]),
}


@st.composite
def switch_positions(draw: st.DrawFn) -> dict[str, object]:
    """Some switches in another position than the first."""
    names = draw(st.lists(st.sampled_from(sorted(SWITCHES)), max_size=5, unique=True))
    return {name: draw(st.sampled_from(SWITCHES[name])) for name in names}


@st.composite
def histories(draw: st.DrawFn) -> History:
    """A history of three or four nights."""
    people = PEOPLE[: draw(st.integers(2, 4))]
    shows = draw(plays())
    past: list[Line] = []
    for number, ago in enumerate(draw(st.lists(st.sampled_from([1, 40, 400, 750, 820]), max_size=3))):
        past += draw(purchases(f"P{number}", FIRST_DAY - timedelta(days=ago), people, shows))
    truth = draw(days(people, shows, draw(st.integers(3, 4))))
    nights = []
    for number, lines in enumerate(truth):
        day = FIRST_DAY + timedelta(days=number)
        arrival = draw(st.sampled_from(["whole", "whole", "whole", "late", "cut", "wrong", "wrong"]))
        first = draw(mistakes(day, lines, people, shows)) if arrival == "wrong" else []
        tries = [draw(attempts(["run"]))]
        if draw(st.integers(0, 3)) == 3:
            tries.append(draw(attempts(["run", "push", "replay"])))
        deeds = draw(
            st.lists(st.builds(Deed, st.sampled_from(DEEDS), st.sampled_from(people), st.integers(0, 3)), max_size=1)
        )
        nights.append(Night(tuple(lines), arrival, tuple(first), tuple(tries), tuple(deeds), draw(st.integers(0, 2))))
    return History(
        past=tuple(past),
        beginning=tuple(draw(st.lists(attempts(["backfill"]), min_size=1, max_size=1))) if past else (),
        nights=tuple(nights),
        switches=draw(switch_positions()),
        late=draw(st.booleans()),
        two_files=draw(st.integers(0, 3)) == 3,
        policy=draw(st.fixed_dictionaries(POLICIES)),
    )
