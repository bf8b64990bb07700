"""What an alert says: a paragraph per problem, in French or English; no address, no token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from pipeline.log import mask, plain
from pipeline.store.problems import Noted

Moment = Literal["begins", "lasts", "ends"]
LANGUAGES = ("en", "fr")
BEGINS: Mapping[str, tuple[str, str]] = {
    "missing": (
        "the files of {about} are late: {what}. The next runs look for them by themselves.",
        "les fichiers du {about} sont en retard\u00a0: {what}. Les prochaines nuits les chercheront d'elles-mêmes.",
    ),
    "failed": (
        "the run failed ({run}), nothing is half-done: {what}",
        "l'exécution a échoué ({run}), rien n'est fait à moitié\u00a0: {what}",
    ),
    "held": (
        "held by a guard, nothing is lost: {hold}: {count}.",
        "retenu par un garde-fou, rien n'est perdu\u00a0: {hold}\u00a0: {count}.",
    ),
    "refused": (
        "contacts that the platform refuses: {count}. Everybody else is done; each run tries them again. Reasons: {what}",
        (
            "contacts que la plateforme refuse\u00a0: {count}. Les autres sont à jour; chaque nuit les essaie de nouveau. "
            "Raisons\u00a0: {what}"
        ),
    ),
    "group": (
        'the group "{about}" cannot be used ({what}); contacts that wait for it: {count}.',
        "le groupe «\u00a0{about}\u00a0» ne peut pas servir ({what}); contacts qui l'attendent\u00a0: {count}.",
    ),
    "came_back": (
        "suppressed people who are members of the platform again: {count}. Placier still leaves them alone.",
        (
            "personnes désabonnées ou en rebond qui sont de nouveau membres de la plateforme\u00a0: {count}. Placier ne leur "
            "écrit toujours pas."
        ),
    ),
}
"""Kind of problem -> what is wrong, in each language."""
TODO: Mapping[str, tuple[str, str]] = {
    "missing": (
        "ask the box office to drop them; for that day alone: placier run {account} --date {about}",
        "demandez à la billetterie de les déposer; pour ce jour seulement\u00a0: placier run {account} --date {about}",
    ),
    "failed": ("{remedy}", "{remedy}"),
    "held": (
        "look: placier status {account}; let it through: placier approve {account} {run_id}",
        "regardez\u00a0: placier status {account}; pour laisser passer\u00a0: placier approve {account} {run_id}",
    ),
    "refused": (
        "the page of the run names them; then: placier why {account} EMAIL",
        "la page de la nuit les nomme; ensuite\u00a0: placier why {account} COURRIEL",
    ),
    "group": (
        "rename that group on the platform; the next run makes one of its own",
        "renommez ce groupe sur la plateforme; la prochaine nuit créera le sien",
    ),
    "came_back": (
        "placier status {account} names them; unless they asked for it, unsubscribe them on the platform again",
        "placier status {account} les nomme; sauf si elles l'ont demandé, désabonnez-les de nouveau sur la plateforme",
    ),
}
"""Kind of problem -> what to do, and to type."""
ENDS: Mapping[str, tuple[str, str]] = {
    "missing": ("the day {about} is not missing any more.", "le jour {about} ne manque plus."),
    "failed": ("what had failed works again.", "ce qui avait échoué fonctionne de nouveau."),
    "held": ("nothing of this is held any more: {hold}.", "ceci n'est plus retenu\u00a0: {hold}."),
    "refused": ("the platform refuses nobody any more.", "la plateforme ne refuse plus personne."),
    "group": (
        'the group "{about}" holds nobody up any more.',
        "le groupe «\u00a0{about}\u00a0» ne bloque plus personne.",
    ),
    "came_back": (
        "none of the suppressed people is a member of the platform any more.",
        "plus aucune personne désabonnée ou en rebond n'est membre de la plateforme.",
    ),
}
HOLDS: Mapping[str, tuple[str, str]] = {
    "leaves": ("leaves of groups, too many at once", "sorties de groupes, trop d'un seul coup"),
    "platform": (
        "groups or people that are gone from the platform (nothing was sent)",
        "groupes ou personnes disparus de la plateforme (rien n'a été envoyé)",
    ),
    "purge": (
        "rows or archived files, most of them, that would be deleted as too old",
        "lignes ou fichiers archivés, la plupart, à supprimer comme trop vieux",
    ),
    "rejects": ("bad lines, too many{of}", "lignes fautives, trop nombreuses{of}"),
    "gap": ("files or days that the archive lacks", "fichiers ou jours qui manquent aux archives"),
    "volume": ("lines, far more than usual{of}", "lignes, beaucoup plus que d'habitude{of}"),
}
OF_DAY = (" (files of {day})", " (fichiers du {day})")
WHYS: Mapping[str, str] = {
    "the group was made dynamic": "il a été rendu dynamique",
    "several groups of that title are on the platform": "plusieurs groupes portent ce titre sur la plateforme",
    "the group of that title is dynamic": "le groupe de ce titre est dynamique",
}
"""Why a group cannot be used, in French."""
TITLES: Mapping[Moment, tuple[str, str]] = {
    "begins": ("Placier: {who} needs a look", "Placier\u00a0: {who} demande un coup d'œil"),
    "ends": ("Placier: {who} is well again", "Placier\u00a0: {who}, tout va bien de nouveau"),
}
STILL = ("still, since {since}: ", "toujours, depuis le {since}\u00a0: ")
SINCE = (" (it had begun on {since})", " (le problème datait du {since})")
AGAIN = ("well again: ", "rétabli\u00a0: ")


@dataclass(frozen=True, slots=True)
class Tiding:
    """What there is to tell of one problem: of which account, at what moment of it, and the day it began there."""

    account: str
    moment: Moment
    problem: Noted
    since: date


def title(tidings: Sequence[Tiding], language: str) -> str:
    """The subject of a message: who needs a look; or that all of it is over."""
    bad = [tiding for tiding in tidings if tiding.moment != "ends"]
    who = ", ".join(sorted({tiding.account for tiding in bad or tidings}))
    return _one(TITLES["begins" if bad else "ends"], language).format(who=who)


def body(tidings: Sequence[Tiding], language: str) -> str:
    """A paragraph per problem: what is wrong, and below it what to do; what is over comes last."""
    ordered = sorted(tidings, key=lambda tiding: tiding.moment == "ends")
    return "\n\n".join(_paragraph(tiding, language) for tiding in ordered)


def _paragraph(tiding: Tiding, language: str) -> str:
    problem = tiding.problem
    words = _words(tiding, language)
    if tiding.moment == "ends":
        said = _one(AGAIN, language) + _one(ENDS[problem.kind], language).format_map(words).rstrip(".")
        return _line(tiding.account, said + _one(SINCE, language).format_map(words) + ".", language)
    still = _one(STILL, language).format_map(words) if tiding.moment == "lasts" else ""
    first = _line(tiding.account, still + _one(BEGINS[problem.kind], language).format_map(words), language)
    todo = plain(_one(TODO[problem.kind], language).format_map(words)).strip()
    return f"{first}\n→ {todo}" if todo else first


def _line(account: str, said: str, language: str) -> str:
    return mask(f"{account}\u00a0: {said}" if language == "fr" else f"{account}: {said}")


def _words(tiding: Tiding, language: str) -> Mapping[str, str]:
    problem = tiding.problem
    words = {"run": "", "what": "", "remedy": "", "run_id": "RUN", "day": "", **problem.detail}
    if problem.kind == "group" and language == "fr":
        words["what"] = WHYS.get(words["what"], words["what"])
    of = _one(OF_DAY, language).format(day=words["day"]) if words["day"] else ""
    reason = problem.about.split(" ", 1)[0]
    hold = _one(HOLDS[reason], language).format(of=of) if reason in HOLDS else reason
    shown = {"account": tiding.account, "about": problem.about, "count": str(problem.count)}
    return {**words, **shown, "hold": hold, "since": tiding.since.isoformat()}


def _one(pair: tuple[str, str], language: str) -> str:
    return pair[LANGUAGES.index(language)]
