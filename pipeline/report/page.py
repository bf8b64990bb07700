"""The page of a day: one self-contained HTML file that tells of its runs, the newest first; addresses are masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup

from pipeline.log import mask
from pipeline.report.gather import Telling
from pipeline.report.look import TEMPLATES, Look, allowed, style
from pipeline.report.plots import Plot, plots
from pipeline.report.sentences import SENTENCES
from pipeline.report.story import Story
from pipeline.report.summary import Summary, reasons, summary, tone
from pipeline.report.words import Language, Words
from pipeline.store.pages import Told

WORTH = ("wait", "refused", "change", "aside", "skip")
SECTIONS = ("in", "wait", "refused", "change", "aside", "skip", "end", "trend", "detail")


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: the account's language and clock, and whether addresses are shown."""

    language: Language
    zone: ZoneInfo
    addresses: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """A contact that changed, as it is shown."""

    email: str
    reasons: list[str]
    joins: list[str]
    leaves: list[str]


@dataclass(frozen=True, slots=True)
class Refused:
    """A contact that the platform refused, as it is shown."""

    email: str
    why: str


@dataclass(frozen=True, slots=True)
class Ending:
    """A contact whose consent ends soon, as it is shown."""

    email: str
    until: date
    show: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A run as the page shows it."""

    story: Story
    summary: Summary
    weekday: str
    made: str
    message: list[str]
    tiles: list[tuple[str, int]]
    counts: list[tuple[str, int, int]]
    changes: list[Changed]
    refused: list[Refused]
    ending: list[Ending]

    @property
    def sections(self) -> list[str]:
        """The sections in which there is something to tell."""
        return [key for key in SECTIONS if self._tells()[key]]

    @property
    def empty(self) -> list[str]:
        """The sections of which it is worth telling that there is nothing in them."""
        return [key for key in WORTH if not self._tells()[key]]

    def _tells(self) -> dict[str, bool]:
        story = self.story
        return {
            "in": bool(story.files),
            "wait": bool(story.waiting),
            "refused": bool(self.refused or story.blocked),
            "change": bool(self.changes or story.new_groups) or self.counted,
            "aside": bool(story.asides),
            "skip": bool(story.skips),
            "end": story.standings is not None,
            "trend": story.standings is not None,
            "detail": True,
        }

    @property
    def counted(self) -> bool:
        """Whether anything was planned or done."""
        return any(planned or done for _, planned, done in self.counts)

    @property
    def sent(self) -> bool:
        """Whether it changed anything on the platform."""
        return any(done for _, _, done in self.counts)


def page(told: Sequence[Telling], reader: Reader, *, more: bool = False) -> str:
    """The page as HTML: the newest run, then the others, folded up; `more`: there were others still."""
    look = _look(reader.language)
    words = look.words
    runs = [_shown(each, reader, words) for each in told]
    found = runs[0].story.standings
    drawn: list[Plot] = [] if found is None else plots(found, words)
    script = _script()
    return look.render(
        "night.html",
        runs=runs,
        plots=drawn,
        more=more,
        before=0 if runs[0].sent else sum(run.sent for run in runs[1:]),
        addresses=reader.addresses,
        script=Markup(script),  # noqa: S704 - our own file
        policy=policy(script),
    )


def policy(script: str = "") -> str:
    """What a browser may load or run for a page: its own style, its own script, nothing else."""
    runs = f" script-src {allowed(script)};" if script else ""
    return f"default-src 'none'; style-src {allowed(style())};{runs} base-uri 'none'; form-action 'none'"


@lru_cache(maxsize=2)
def _look(language: Language) -> Look:
    look = Look(Words(language, SENTENCES))
    look.environment.globals.update(tone=tone)
    return look


def look_of(language: Language) -> Look:
    """The templates and the words of the pages in a language."""
    return _look(language)


def _script() -> str:
    return (TEMPLATES / "search.js").read_text(encoding="utf-8")


def _shown(told: Telling, reader: Reader, words: Words) -> Shown:
    story = told.story
    shown = (lambda text: text) if reader.addresses else mask
    planned, done = asdict(story.planned), asdict(story.pushed)
    refused = [Refused(shown(each.email), shown(str(each.detail["why"]))) for each in told.those("refused")]
    lines, aside = sum(file.lines for file in story.files), story.rejected
    tiles = [("in.lines", lines), ("in.rejected", aside)]
    tiles += [(f"count.{what}", done[what]) for what in ("contacts_created", "contacts_updated", "joins", "leaves")]
    message = [mask(line) for line in f"{story.message}\n{story.remedy}".strip().split("\n")]
    return Shown(
        story=story,
        summary=summary(story, words),
        weekday=words.weekday(story.day),
        made=_made(story, reader, words),
        message=message,
        tiles=[(words.say(key), count) for key, count in tiles],
        counts=[(what, planned[what], done[what]) for what in planned],
        changes=[_changed(each, shown(each.email), words) for each in told.those("changed")],
        refused=refused,
        ending=sorted(
            (_ending(each, shown(each.email)) for each in told.those("expiring")),
            key=lambda end: (end.until, end.email),
        ),
    )


def _made(story: Story, reader: Reader, words: Words) -> str:
    said = {"kind": words.name("kind", story.kind), "as_of": story.as_of}
    if story.started_at is None:
        return words.say("night.made_unknown", **said)
    return words.say("night.made", moment=words.moment(story.started_at, reader.zone), **said)


def _changed(told: Told, email: str, words: Words) -> Changed:
    given, joins, leaves = (_listed(told.detail[name]) for name in ("reasons", "joins", "leaves"))
    written = []
    for title, why, held in leaves:
        notes = [words.name("leave", why), *([words.say("change.held")] if held else [])]
        written.append(f"{title} ({', '.join(notes)})")
    whys = [why for _, why, _ in leaves if not given and not joins]
    return Changed(email, reasons(given, whys, words), joins, written)


def _ending(told: Told, email: str) -> Ending:
    return Ending(email, date.fromisoformat(str(told.detail["until"])), str(told.detail["show"]))


def _listed(value: object) -> list[Any]:
    return list(value) if isinstance(value, list) else []
