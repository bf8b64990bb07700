"""How pages look: the templates, the style sheet, and what may run or load in them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.log import CONTROL
from pipeline.report.words import Words

TEMPLATES = Path(__file__).parent / "templates"


def style() -> str:
    """The style sheet of all pages."""
    return (TEMPLATES / "style.css").read_text(encoding="utf-8")


def allowed(text: str) -> str:
    """An inline style or script as a Content-Security-Policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@dataclass(frozen=True)
class Look:
    """Templates that speak one language; `folders` are looked in before those of this package."""

    words: Words
    folders: Sequence[Path] = ()

    def render(self, template: str, /, **values: object) -> str:
        """A page; a name that is not among the values is an error, whatever is shown of them is escaped."""
        return self.environment.get_template(template).render(**values)

    @cached_property
    def environment(self) -> Environment:
        """Jinja with our words (`say`, `name`, `words`) and filters (`number`, `day`, `short_day`, `moment`, ...)."""
        made = Environment(
            loader=FileSystemLoader([*self.folders, TEMPLATES]),
            autoescape=True,
            optimized=False,  # a process draws few pages: less is gained than the looking costs
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_harmless,
        )
        words = self.words
        made.globals.update(words=words, say=words.say, name=words.name, style=Markup(style()))  # noqa: S704 - our own file
        made.filters.update(lines=_lines, path=_path)
        for each in (
            words.number,
            words.percent,
            words.day,
            words.weekday,
            words.short_day,
            words.moment,
            words.seconds,
        ):
            made.filters[each.__name__] = each
        return made


def _lines(values: Iterable[object]) -> Markup:
    """Each on a line of its own."""
    return Markup("<br>").join(str(_harmless(value)) for value in values)


def _path(value: object) -> str:
    """A name as a link's path has it."""
    return quote(str(_harmless(value)))


def _harmless(value: object) -> object:
    """Blanks in the place of what a browser or a reader would obey rather than show."""
    return value if isinstance(value, Markup) else CONTROL.sub(" ", str(value))
