"""The console as a web application: its pages, who may see them, and how a page is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date
from hmac import compare_digest
from pathlib import Path
from typing import Any, cast

from babel import negotiate_locale
from markupsafe import Markup
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp

from pipeline.config import Account, Configuration
from pipeline.console.entry import Door, Visit
from pipeline.console.errands import Errands
from pipeline.console.texts import TEXTS
from pipeline.doors import Outside, open_state, setting
from pipeline.errors import PlacierError, unforeseen
from pipeline.log import mask
from pipeline.report.look import Look
from pipeline.report.sentences import SENTENCES
from pipeline.report.words import Language, Words, language_of
from pipeline.setting import Setting

TEMPLATES = Path(__file__).parent / "templates"
OWN_STYLE = Markup((TEMPLATES / "console.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
LANGUAGE = "placier-language"
LANGUAGES: tuple[Language, ...] = ("fr", "en")
CONFUSED = 503


@dataclass(frozen=True)
class Console:
    """What all pages share.  `secure`: browsers come over TLS, and send the cookie over nothing else."""

    configuration: Configuration
    outside: Outside
    door: Door
    errands: Errands
    may_replay: bool
    secure: bool
    looks: Mapping[Language, Look] = field(
        default_factory=lambda: {each: Look(Words(each, {**SENTENCES, **TEXTS}), [TEMPLATES]) for each in LANGUAGES}
    )

    @property
    def cookie(self) -> str:
        """The cookie's name: over TLS one that browsers take from this very host alone."""
        return "__Host-placier" if self.secure else "placier"

    def visit(self, request: Request) -> Visit | None:
        """Who asks; None for somebody who did not give the password, or gave it too long ago."""
        return self.door.visit(request.cookies.get(self.cookie, ""))


@dataclass(frozen=True)
class Asked:
    """A page that is asked for: by whom (None: anybody), of which account, with which `form`."""

    console: Console
    request: Request
    visit: Visit | None = None
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def account(self) -> Account | None:
        """The account that the address names, if there is such an account."""
        return self.console.configuration.accounts.get(self.request.path_params.get("account", ""))

    @property
    def own(self) -> Account:
        """The account, of a page that has one."""
        if self.account is None:
            raise NoSuchPage
        return self.account

    @property
    def day(self) -> date:
        """The day that the address names."""
        try:
            return date.fromisoformat(self.request.path_params["day"])
        except ValueError as error:
            raise NoSuchPage from error

    @property
    def today(self) -> date:
        """The day on the account's calendar."""
        return self.console.outside.now().replace(tzinfo=UTC).astimezone(self.own.zone).date()

    @property
    def language(self) -> Language:
        """The one that was chosen, else the account's, else what the browser asks for."""
        chosen = self.request.cookies.get(LANGUAGE, "")
        if chosen in LANGUAGES:
            return chosen
        if self.account is not None:
            return language_of(self.account.file.language)
        wanted = [part.split(";")[0].strip() for part in self.request.headers.get("accept-language", "").split(",")]
        return cast("Language", negotiate_locale(wanted, LANGUAGES, sep="-") or "fr")

    @property
    def words(self) -> Words:
        """What is said in that language."""
        return self.console.looks[self.language].words

    @property
    def other(self) -> Language:
        """The other language."""
        return "en" if self.language == "fr" else "fr"

    def of(self, account: str) -> Asked:
        """The same, of an account."""
        return replace(self, request=Request({**self.request.scope, "path_params": {"account": account}}))

    def at(self, *parts: object) -> str:
        """The address of a page of the account."""
        return "/".join(("/accounts", self.own.name, *map(str, parts)))

    @contextmanager
    def place(self) -> Iterator[Setting]:
        """The account's own state and folders; a state that is not there yet is not made."""
        database = open_state(self.console.configuration, create=False)
        try:
            yield setting(self.console.configuration, self.own, database, self.console.outside)
        finally:
            database.close()

    @contextmanager
    def state(self) -> Iterator[tuple[Connection, Setting]]:
        """The state, to be read; nobody who writes waits for us."""
        with self.place() as place, place.database.transaction(reading=True) as connection:
            yield connection, place

    @property
    def whole_addresses(self) -> bool:
        """Whether the pages may name people (`reports.show_addresses`)."""
        return self.console.configuration.main.reports.show_addresses

    def shown(self, email: str) -> str:
        """An address as pages show it that list many people."""
        return email if self.whole_addresses else mask(email)

    def page(self, template: str, /, status: int = 200, **values: object) -> Response:
        """A page in the language of whoever asks."""
        html = self.console.looks[self.language].render(template, asked=self, own_style=OWN_STYLE, **values)
        return HTMLResponse(html, status)

    def go(self, where: str) -> Response:
        """On to another page."""
        return RedirectResponse(where, 303)

    def refuse(self, status: int, what: str) -> Response:
        """A page that says why not."""
        return self.page("refused.html", status, what=what)


class NoSuchPage(Exception):
    """The address names nothing."""


View = Callable[[Asked], Response]


def inside(console: Console, view: View, *, acts: bool = False) -> ASGIApp:
    """A page for those who gave the password.  What is posted must carry their mark; `acts`: only where replays are allowed."""

    async def answer(request: Request) -> Response:
        chosen = request.query_params.get("lang", "")
        if request.method == "GET" and chosen in LANGUAGES:
            return spoken(console, request, chosen)
        visit = console.visit(request)
        if visit is None:
            return RedirectResponse("/login", 303)
        if request.path_params.get("account", "") not in {"", *console.configuration.accounts}:
            return Asked(console, Request(bare(request)), visit).refuse(404, "no_page")
        if acts and not console.may_replay:
            return Asked(console, request, visit).refuse(403, "read_only")
        form = await posted(request)
        if request.method == "POST" and not _same(form.get("mark", ""), visit.mark):
            return Asked(console, request, visit).refuse(403, "no_mark")
        return await run_in_threadpool(_answered, view, Asked(console, request, visit, form))

    return cast("ASGIApp", answer)


def bare(request: Request) -> dict[str, Any]:
    """A request that names no account."""
    return {**request.scope, "path_params": {}}


def spoken(console: Console, request: Request, language: str) -> Response:
    """The same page, from now on in another language."""
    answer = RedirectResponse(request.url.path, 303)
    answer.set_cookie(LANGUAGE, language, max_age=31_536_000, secure=console.secure, httponly=True, samesite="strict")
    return answer


async def posted(request: Request) -> dict[str, str]:
    """The fields of a form, without blanks around them; files are left out."""
    if request.method != "POST":
        return {}
    async with request.form(max_files=0, max_fields=20) as form:
        return {key: value.strip() for key, value in form.items() if isinstance(value, str)}


def _answered(view: View, asked: Asked) -> Response:
    try:
        return view(asked)
    except NoSuchPage:
        return asked.refuse(404, "no_page")
    except PlacierError as error:
        return asked.page("failed.html", CONFUSED, error=error)
    except Exception as error:  # noqa: BLE001 - a traceback may hold personal data
        told = unforeseen(error)
        asked.console.outside.log.warning("page failed", error=told.message)
        return asked.page("failed.html", 500, error=told)


def _same(given: str, mark: str) -> bool:
    return compare_digest(given.encode(errors="replace"), mark.encode())
