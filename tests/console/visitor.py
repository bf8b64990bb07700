"""A console as a real server, and somebody who uses it without a browser."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx
from program import PATIENCE
from world import World

from pipeline.config import load
from pipeline.console.serve import ConsoleServer, Place
from pipeline.doors import Outside
from pipeline.log import write_to

PASSWORD = "agrafe-cheval-pile"
TODAY = datetime(2026, 3, 3, 15, 0)


@dataclass
class Clock:
    """Time that a test moves."""

    now: datetime = TODAY

    def __call__(self) -> datetime:
        return self.now

    def later(self, **more: float) -> None:
        self.now += timedelta(**more)


@dataclass
class House:
    """A console under way: where it is, its clock, what it logged."""

    url: str
    port: int
    clock: Clock
    log: io.StringIO
    server: ConsoleServer

    @contextmanager
    def visitor(self, language: str = "fr-CA") -> Iterator[Visitor]:
        """Somebody at a browser of their own, not logged in."""
        with httpx.Client(base_url=self.url, headers={"accept-language": language}, timeout=PATIENCE) as client:
            yield Visitor(client)

    @contextmanager
    def inside(self, language: str = "fr-CA") -> Iterator[Visitor]:
        """Somebody who gave the password."""
        with self.visitor(language) as visitor:
            assert visitor.enter().status_code == 303
            yield visitor


@dataclass
class Visitor:
    """Gets pages and posts forms as a browser would: with the mark of the visit, and where the form comes from."""

    client: httpx.Client
    mark: str = field(default="", init=False)

    def enter(self, password: str = PASSWORD) -> httpx.Response:
        answer = self.post("/login", password=password)
        if answer.status_code == 303:
            self.get("/accounts/demo")
        return answer

    def get(self, path: str, **headers: str) -> httpx.Response:
        answer = self.client.get(path, headers=headers)
        found = re.search(r'name="mark" value="([^"]+)"', answer.text)
        self.mark = found[1] if found else self.mark
        return answer

    def post(self, path: str, headers: dict[str, str] | None = None, **form: str) -> httpx.Response:
        told = {"origin": str(self.client.base_url).rstrip("/")} if headers is None else headers
        return self.client.post(path, data={"mark": self.mark, **form}, headers=told)

    def done(self, begun: httpx.Response) -> str:
        """The page of what was begun, once it is done."""
        assert begun.status_code == 303, begun.text
        end = time.monotonic() + PATIENCE
        while 'data-done="yes"' not in (page := self.get(begun.headers["location"]).text):
            assert time.monotonic() < end, "it was never done"
            time.sleep(0.02)
        return page

    def preview(self, day: str, **form: str) -> tuple[str, str]:
        """The address and the page of a preview."""
        begun = self.post("/accounts/demo/replay", day=day, **form)
        return begun.headers.get("location", ""), self.done(begun)


@contextmanager
def console(world: World, *, may_replay: bool = True, behind: str = "") -> Iterator[House]:
    """A console over the world, in this process; its clock stands."""
    clock, log = Clock(), io.StringIO()
    environment = {"PLACIER_CONSOLE_PASSWORD": PASSWORD}
    outside = Outside(environment, clock, lambda seconds: None, write_to(log, "json", verbose=True))
    with ConsoleServer(load(world.config), outside, Place(port=0, behind=behind), may_replay=may_replay) as server:
        yield House(server.url, server.port, clock, log, server)
        server.errands.wait()


def text(page: str) -> str:
    """What a page says, on one line: no tags, no blanks that must not break."""
    plain = re.sub(r"<(style|script)\b.*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", plain.replace("\u00a0", " ").replace("\u202f", " "))
