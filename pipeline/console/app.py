"""Which page is where; logging in and out."""

from __future__ import annotations

from functools import partial

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from pipeline.console import acts, nights, people
from pipeline.console.asked import LANGUAGES, OWN_STYLE, TEMPLATES, Asked, Console, View, bare, inside, posted, spoken
from pipeline.console.gate import Gate
from pipeline.report.look import allowed, style

POLICY = (
    f"default-src 'none'; style-src {allowed(style())} {allowed(OWN_STYLE)}; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
PAGES: tuple[tuple[str, str, View], ...] = (
    ("GET", "/", nights.accounts),
    ("GET", "/accounts/{account}", nights.nights),
    ("GET", "/accounts/{account}/nights/{day}", nights.night),
    ("GET", "/accounts/{account}/nights/{day}/page", nights.report),
    ("GET", "/accounts/{account}/contact", people.question),
    ("POST", "/accounts/{account}/contact", people.answer),
    ("GET", "/accounts/{account}/expiring", people.expiring),
    ("GET", "/accounts/{account}/errands/{errand}", acts.errand),
    ("GET", "/accounts/{account}/held/{run}", acts.hold),
)
ACTS: tuple[tuple[str, str, View], ...] = (
    ("GET", "/accounts/{account}/replay", acts.replay),
    ("POST", "/accounts/{account}/replay", acts.preview),
    ("POST", "/accounts/{account}/errands/{errand}", acts.confirm),
    ("POST", "/accounts/{account}/held/{run}", acts.approve),
)
"""What is there only where replays are allowed."""


def application(console: Console, hosts: frozenset[str]) -> ASGIApp:
    """The console, behind its gate."""
    routes = [
        Route("/login", partial(login, console), methods=["GET", "POST"]),
        Route("/logout", inside(console, logout), methods=["POST"]),
        Route("/static/watch.js", script, methods=["GET"]),
        Route("/favicon.ico", icon, methods=["GET"]),
        *(Route(path, inside(console, view), methods=[method]) for method, path, view in PAGES),
        *(Route(path, inside(console, view, acts=True), methods=[method]) for method, path, view in ACTS),
    ]
    lost = partial(nowhere, console)
    app = Starlette(routes=routes, exception_handlers={404: lost, 405: lost})
    return Gate(app, hosts, console.secure, POLICY)


async def login(console: Console, request: Request) -> Response:
    """The only page for those who did not give the password."""
    chosen = request.query_params.get("lang", "")
    if chosen in LANGUAGES:
        return spoken(console, request, chosen)
    asked = Asked(console, request)
    if request.method != "POST":
        return asked.page("login.html", wrong=False)
    address = request.client.host if request.client else ""
    form = await posted(request)
    if not console.door.may_try(address):
        console.outside.log.warning("log-in refused: too many tries")
        return asked.refuse(429, "too_often")
    cookie = console.door.enter(form.get("password", ""), address)
    if cookie is None:
        console.outside.log.warning("log-in refused: wrong password")
        return asked.page("login.html", 403, wrong=True)
    console.door.leave(request.cookies.get(console.cookie, ""))
    answer = RedirectResponse("/", 303)
    answer.set_cookie(console.cookie, cookie, httponly=True, samesite="strict", secure=console.secure, path="/")
    return answer


def logout(asked: Asked) -> Response:
    """The visit ends here too, not only in the browser."""
    console = asked.console
    console.door.leave(asked.request.cookies.get(console.cookie, ""))
    answer = asked.go("/login")
    answer.delete_cookie(console.cookie, httponly=True, samesite="strict", secure=console.secure, path="/")
    return answer


def script(_request: Request) -> Response:
    """What looks whether an errand is done."""
    return FileResponse(TEMPLATES / "watch.js", media_type="text/javascript")


def icon(_request: Request) -> Response:
    """There is none, and browsers ask."""
    return Response(status_code=204)


async def nowhere(console: Console, request: Request, error: Exception) -> Response:
    """No such page, or not in that way; nobody learns which but those inside."""
    visit = console.visit(request)
    if visit is None:
        return RedirectResponse("/login", 303)
    return Asked(console, Request(bare(request)), visit).refuse(getattr(error, "status_code", 404), "no_page")
