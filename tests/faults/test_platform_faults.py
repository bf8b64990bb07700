"""Every failure of every endpoint that the client uses, met by the whole program; then the platform is well again."""

from __future__ import annotations

import ast
import json
import re
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from program import shell
from tls import served_over_tls
from world import Answer, World, buy, cancel

import pipeline.platforms.batches
import pipeline.platforms.cyberimpact
from pipeline.alerts import ping
from pipeline.sandbox.control import SandboxControl
from pipeline.sandbox.serve import PlatformServer
from pipeline.sandbox.switches import Fault, Switches

from . import page
from .go_between import Fault as Rudeness
from .go_between import GoBetween, changed, cut, dropped, said

READS = (
    "GET /customfields",
    "GET /groups",
    "GET /members",
    "GET /members/bounced",
    "GET /members/unsubscribed",
    "GET /members/*",
    "GET /members/*/consent",
    "GET /members/*/groups",
    "GET /groups/*/members",
    "GET /batches/*",
)
WRITES = (
    "POST /groups",
    "POST /batches",
    "PATCH /members/*",
    "POST /members/*/groups",
    "DELETE /members/*/groups/*",
)
ENDPOINTS = (*READS, *WRITES)
"""All that the client asks for, but for `GET /ping`.  Where a test goes through them it follows a run, to reach them all."""
LISTS = tuple(name for name in READS if re.search(r"(customfields|groups|members|bounced|unsubscribed)$", name))

ANNE, BENOIT, CHLOE, DENIS, EVE, FANNY, GILLES = (
    f"{name}@exemple.test" for name in ("anne", "benoit", "chloe", "denis", "eve", "fanny", "gilles")
)
SONGE = {"id_spectacle": "S1", "titre_spectacle": "Le Songe", "id_representation": "R1"}
CYRANO = {"id_spectacle": "S2", "titre_spectacle": "Cyrano", "id_representation": "R2"}
PHEDRE = {"id_spectacle": "S3", "titre_spectacle": "Phèdre", "id_representation": "R3"}
WORST = Switches(unsubscribed_in_batch="resubscribe", consent_override="last", older_date="applied")
"""A platform that brings back whoever is sent, and takes any consent for better than the one it has."""
TRIES = 2
QUICK = {"retries": TRIES, "first_pause": 0.0, "timeout": 10.0, "batch_deadline": 0.1}


@dataclass(frozen=True)
class Began:
    """A state in which one `push` asks for everything: a flight to land, people to send, to amend and to take out."""

    root: Path
    data: Path


@pytest.fixture(scope="module")
def began(tmp_path_factory: pytest.TempPathFactory) -> Began:
    root = tmp_path_factory.mktemp("began")
    with PlatformServer(root / "platform.db") as server, SandboxControl(server.url) as control:
        world = World(root / "world", server, control, platform=QUICK)
        control.add_member(EVE, relation="express-consent", consent_date=date(2020, 1, 1), consent_proof="Formulaire")
        control.unsubscribe(GILLES)
        past = world.history([buy("T1", "2026-03-01 10:00:00", ANNE, **SONGE)])
        assert world.placier("backfill", "demo", str(past), "--as-of", "2026-03-02").code == 0
        world.day("2026-03-02", [buy("T9", "2026-03-02 10:00:00", FANNY, **CYRANO)])
        control.add_fault(Fault("error_before", "GET", "/batches/*", times=0))
        assert world.night("2026-03-03").code == 1
        control.clear_faults()
        control.settle()
        control.add_fault(Fault("error_before", "GET", "/customfields", times=0))
        buyers = enumerate((ANNE, BENOIT, CHLOE, DENIS, EVE, GILLES), 2)
        world.day(
            "2026-03-03",
            [
                cancel("T1", "2026-03-03 09:00:00", ANNE, **SONGE),
                *(buy(f"T{number}", "2026-03-03 10:00:00", email, **PHEDRE) for number, email in buyers),
            ],
        )
        assert world.night("2026-03-04").code == 1
    return Began(root / "world", root / "platform.db")


@pytest.fixture(scope="module")
def between() -> Iterator[GoBetween]:
    server = GoBetween()
    yield server
    server.close()


@dataclass
class Rude:
    """A world whose platform is rude when it is told to be."""

    world: World
    between: GoBetween

    def push(self, *words: str) -> Answer:
        """What is still to be sent, as the night sends it; nothing is ever shown of a defect or of the token."""
        answer = self.world.placier("push", "demo", "--as-of", "2026-03-04", *words)
        for word in ("Traceback", "unforeseen", self.world.server.token):
            assert word not in answer.out + answer.err
        assert GILLES not in self.world.control.touched_addresses()
        return answer

    def outcome(self) -> tuple[dict[str, object], list[str]]:
        """Everybody's state, and the groups' titles."""
        return self.world.content(), sorted(self.world.control.state().titles())


@contextmanager
def again(began: Began, between: GoBetween, root: Path) -> Iterator[Rude]:
    """That state, in `root`, behind the rude server."""
    shutil.copytree(began.root, root / "world")
    shutil.copy(began.data, root / "platform.db")
    with PlatformServer(root / "platform.db", switches=WORST) as server, SandboxControl(server.url) as control:
        between.target = server.url
        between.heal()
        yield Rude(World(root / "world", server, control, platform={**QUICK, "base_url": between.url}), between)


@dataclass(frozen=True)
class Good:
    """What one push without a fault gives, and asks for."""

    outcome: tuple[dict[str, object], list[str]]
    came: Mapping[str, int]


@pytest.fixture(scope="module")
def good(began: Began, between: GoBetween, tmp_path_factory: pytest.TempPathFactory) -> Good:
    with again(began, between, tmp_path_factory.mktemp("good")) as found:
        assert found.push().code == 0
        return Good(found.outcome(), dict(between.came))


@pytest.fixture
def rude(began: Began, between: GoBetween, good: Good, tmp_path: Path) -> Iterator[Rude]:
    with again(began, between, tmp_path) as found:
        yield found


def mended(rude: Rude, good: Good) -> None:
    """The fault is gone: the next run ends where one without a fault does, and the one after it writes nothing."""
    rude.between.heal()
    answer = rude.push()
    assert answer.code == 0, answer.out
    assert rude.outcome() == good.outcome
    rude.world.control.reset_log()
    assert rude.push().code == 0
    assert rude.world.control.writes() == 0


def told(request: pytest.FixtureRequest, answer: Answer, *, each: bool = False) -> None:
    """The answer is what the page says of this test (`each`: of this parameter)."""
    name = request.node.name if each else request.node.originalname
    wanted = page.row(f"{request.path.name}::{name}")
    message = answer.run.get("message", "")
    assert wanted.says(message), (message, wanted.sentence)
    assert str(answer.code) == wanted.code
    if answer.code == 1:
        assert message.partition("\n")[2], "what to type next"


# The list of endpoints


def test_the_endpoints_are_all_that_the_client_asks_for(good: Good) -> None:
    assert set(good.came) == set(ENDPOINTS)
    written = set()
    for module in (pipeline.platforms.cyberimpact, pipeline.platforms.batches):
        nodes = list(ast.walk(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))))
        formatted = [node for node in nodes if isinstance(node, ast.JoinedStr)]
        parts = {id(part) for node in formatted for part in node.values}
        written |= {"".join(str(getattr(part, "value", "")) if isinstance(part, ast.Constant) else "*" for part in node.values) for node in formatted}  # fmt: skip
        written |= {str(node.value) for node in nodes if isinstance(node, ast.Constant) and id(node) not in parts}
    paths = {text for text in written if re.fullmatch(r"/[a-z/*]+", text)}
    assert len(paths) >= 10
    assert paths <= {name.partition(" ")[2] for name in ENDPOINTS} | {"/ping"}


def test_the_page_names_every_endpoint() -> None:
    text = page.PAGE.read_text(encoding="utf-8").split("\n## Platform\n", 1)[1].split("\n## ", 1)[0]
    assert set(re.findall(r"^- `((?:GET|POST|PATCH|DELETE) [^`]+)`", text, re.MULTILINE)) == set(ENDPOINTS)


# Passing faults, each on the first request to every endpoint

ONCE: dict[str, Rudeness] = {
    "dropped before": dropped(),
    "dropped after": dropped(after=True),
    "silent": dropped(after=True, seconds=1.0),
    "429": said(429, Retry_After="0"),
    "429 without Retry-After": said(429),
    "408": said(408),
    "500 before": said(500),
    "500 after": said(500, after=True),
    "502": said(502, b"<html>Bad Gateway</html>", after=True),
    "503": said(503, Retry_After="0"),
    "504": said(504, after=True),
    "HTML": said(200, b"<html>Maintenance</html>", after=True),
    "no JSON": said(200, b'{"members": [', after=True),
    "a list": changed(lambda answer: [answer]),
    "cut": cut,
}


@pytest.mark.parametrize("fault", ONCE)
def test_what_fails_once_is_outlived(fault: str, rude: Rude, good: Good, request: pytest.FixtureRequest) -> None:
    if fault == "silent":
        rude.world.set(platform={"timeout": 0.6})
    rude.between.lay(ONCE[fault], *ENDPOINTS, times=1)
    answer = rude.push()
    told(request, answer)
    assert set(rude.between.struck) == set(ENDPOINTS)
    assert answer.run["requests"] == rude.between.came.total()
    assert rude.between.came.total() <= sum(good.came.values()) + 2 * len(ENDPOINTS)
    assert rude.outcome() == good.outcome
    rude.world.control.reset_log()
    assert rude.push().code == 0
    assert rude.world.control.writes() == 0


# Lasting faults, endpoint by endpoint

every = pytest.mark.parametrize("name", ENDPOINTS)


@every
def test_503_each_time(name: str, rude: Rude, good: Good, request: pytest.FixtureRequest) -> None:
    rude.between.lay(said(503), name)
    told(request, rude.push())
    assert rude.between.came[name] == TRIES
    mended(rude, good)


@every
def test_applied_and_dropped_each_time(name: str, rude: Rude, good: Good, request: pytest.FixtureRequest) -> None:
    rude.between.lay(dropped(after=True), name)
    answer = rude.push()
    if name == "POST /groups":  # the group is there: it is found, not asked for again
        assert (answer.code, rude.between.came[name]) == (0, 1)
    else:
        told(request, answer)
        assert rude.between.came[name] == TRIES
    mended(rude, good)


def test_html_each_time(rude: Rude, good: Good, request: pytest.FixtureRequest) -> None:
    for name in good.came:
        rude.between.lay(said(200, b"<html>Maintenance</html>"), name)
        told(request, rude.push())
        assert rude.between.came[name] == TRIES
    mended(rude, good)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token(status: int, rude: Rude, good: Good, request: pytest.FixtureRequest) -> None:
    for name in good.came:
        rude.between.lay(said(status), name)
        answer = rude.push()
        told(request, answer)
        assert f"answered {status}" in answer.run["message"]
        assert "the file token" in answer.run["message"]
        assert rude.between.came[name] == 1
    mended(rude, good)


class Elsewhere(ThreadingHTTPServer):
    """Where a redirect leads: it notes who comes with what."""

    def __init__(self) -> None:
        self.came: list[str | None] = []
        super().__init__(("127.0.0.1", 0), _Note)


class _Note(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.came.append(self.headers["Authorization"])  # type: ignore[attr-defined]
        self.send_response_only(200)
        self.end_headers()

    do_POST = do_PATCH = do_DELETE = do_GET


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    with Elsewhere() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


def test_a_redirect(rude: Rude, good: Good, elsewhere: Elsewhere, request: pytest.FixtureRequest) -> None:
    url = f"http://127.0.0.1:{elsewhere.server_address[1]}/"
    for name in good.came:
        rude.between.lay(said(307 if name in WRITES else 302, Location=url), name)
        told(request, rude.push())
        assert rude.between.came[name] == 1
    assert elsewhere.came == [], "the token stays at home"
    mended(rude, good)


PERSONAL = ("POST /batches", "PATCH /members/*", "POST /members/*/groups", "DELETE /members/*/groups/*")
"""What concerns some people: a refusal is theirs, the others go on."""


@pytest.mark.parametrize("status", [400, 409])
def test_a_refused_request(status: int, rude: Rude, good: Good, request: pytest.FixtureRequest) -> None:
    for name in good.came:
        if name not in {*PERSONAL, "POST /groups"}:
            rude.between.lay(said(status), name)
            told(request, rude.push())
            assert rude.between.came[name] == 1
    mended(rude, good)


@pytest.mark.parametrize("status", [400, 409, 413, 422])
def test_a_refused_title(status: int, rude: Rude, good: Good, request: pytest.FixtureRequest) -> None:
    rude.between.lay(said(status), "POST /groups")
    told(request, rude.push())
    assert rude.between.came["POST /groups"] == 1
    assert rude.world.groups_of(ANNE) == ("Clients Tuxedo",), "her leave, and her fields, did not wait"
    assert rude.world.groups_of(DENIS) == ("Clients Tuxedo",)
    mended(rude, good)


@pytest.mark.parametrize("name", PERSONAL)
def test_a_refused_person(name: str, rude: Rude, good: Good, request: pytest.FixtureRequest) -> None:
    for status in (400, 422):
        rude.between.lay(said(status), name)
        told(request, rude.push())
    mended(rude, good)


def test_404_where_something_must_be(rude: Rude, good: Good, request: pytest.FixtureRequest) -> None:
    lists = {name for name in LISTS if "*" not in name}
    for name in good.came:
        if name in {*lists, "POST /groups", "POST /batches"}:
            rude.between.lay(said(404), name)
            told(request, rude.push())
            assert rude.between.came[name] == 1
    mended(rude, good)


@pytest.mark.parametrize(
    "name",
    ["GET /members/*", "GET /groups/*/members", "PATCH /members/*", "POST /members/*/groups",
     "DELETE /members/*/groups/*"],
)  # fmt: skip
def test_404_of_a_person_who_is_there(name: str, rude: Rude, good: Good, request: pytest.FixtureRequest) -> None:
    rude.between.lay(said(404), name)
    told(request, rude.push())
    mended(rude, good)


@pytest.mark.parametrize("name", ["GET /members/*/consent", "GET /members/*/groups", "GET /batches/*"])
def test_404_where_nothing_may_be(name: str, rude: Rude, good: Good, request: pytest.FixtureRequest) -> None:
    rude.between.lay(said(404), name)
    told(request, rude.push())
    assert rude.outcome() == good.outcome
    mended(rude, good)


# Answers of another shape


def without(*keys: str) -> Rudeness:
    """The answer without these keys, however deep."""

    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: strip(item) for key, item in value.items() if key not in keys}
        return [strip(item) for item in value] if isinstance(value, list) else value

    return changed(strip)


def texts(value: Any) -> Any:
    """Every number as a text."""
    if isinstance(value, dict):
        return {key: texts(item) for key, item in value.items()}
    if isinstance(value, list):
        return [texts(item) for item in value]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


NO_LISTS = {
    "empty object": changed(lambda answer: {}),
    "rows of text": changed(lambda answer: {key: ["texte"] if isinstance(answer[key], list) else 1 for key in answer}),
    "stops early": changed(lambda answer: {**answer, "totalCount": 10**6}),
    "no ids, no addresses": without("id", "email"),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_another_shape(name: str, rude: Rude, good: Good, request: pytest.FixtureRequest) -> None:
    rows = {"GET /members/bounced": 0, "GET /customfields": 17}.get(name, 1)
    for shape, fault in NO_LISTS.items():
        if (shape == "no ids, no addresses" and not rows) or (shape == "stops early" and name == "GET /customfields"):
            continue
        rude.between.lay(fault, name)
        answer = rude.push()
        told(request, answer)
        assert rude.between.came[name] <= 2, shape
    mended(rude, good)


@pytest.mark.parametrize("name", ["GET /members/*", "GET /members/*/consent"])
def test_a_person_of_another_shape(name: str, rude: Rude, good: Good, request: pytest.FixtureRequest) -> None:
    for fault in (changed(lambda answer: {}), changed(lambda answer: {"message": "ok"})):
        rude.between.lay(fault, name)
        told(request, rude.push())
    mended(rude, good)


def test_numbers_as_texts(rude: Rude, good: Good, request: pytest.FixtureRequest) -> None:
    rude.between.lay(changed(texts), *ENDPOINTS)
    told(request, rude.push())
    assert rude.outcome() == good.outcome
    mended(rude, good)


def test_an_answer_to_a_write_of_another_shape(rude: Rude, good: Good, request: pytest.FixtureRequest) -> None:
    rude.between.lay(NO_LISTS["empty object"], *WRITES, "GET /batches/*")
    told(request, rude.push())
    assert rude.outcome() == good.outcome
    mended(rude, good)


def test_who_unsubscribed_is_not_known_whole(rude: Rude, good: Good, request: pytest.FixtureRequest) -> None:
    rude.between.lay(changed(lambda answer: {**answer, "members": []}), "GET /members/unsubscribed")
    told(request, rude.push())
    assert rude.world.control.writes() == 0
    assert rude.outcome() != good.outcome
    mended(rude, good)


# No connection


@pytest.mark.parametrize("why", ["refused", "unknown name", "no name", "deaf", "silent"])
def test_nobody_there(why: str, rude: Rude, good: Good, request: pytest.FixtureRequest) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0 if why == "deaf" else 9) as listening:
        port = listening.getsockname()[1]
        crowd = [socket.socket() for _ in range(3 if why == "deaf" else 0)]
        for one in crowd:  # the queue is full: whoever comes now gets no answer
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        urls = {
            "refused": "http://127.0.0.1:9",
            "unknown name": "https://api.placier.invalid",
            "no name": "https://api..exemple.test",
        }
        rude.world.set(platform={"base_url": urls.get(why, f"http://127.0.0.1:{port}"), "timeout": 0.2})
        answer = rude.push()
        for one in crowd:
            one.close()
    told(request, answer, each=True)
    assert answer.run["requests"] == (TRIES if why == "silent" else 0)
    rude.world.set(platform={"base_url": rude.between.url, "timeout": 5.0})
    mended(rude, good)


WEAKER = {
    "PYTHONHTTPSVERIFY": "0",
    "CURL_CA_BUNDLE": "",
    "REQUESTS_CA_BUNDLE": "",
    "SSL_VERIFY": "0",
    "SSL_NO_VERIFY": "1",
    "VERIFY_SSL": "false",
    "HTTPX_SSL_VERIFY": "0",
    "GIT_SSL_NO_VERIFY": "1",
    "NODE_TLS_REJECT_UNAUTHORIZED": "0",
    "PLACIER_INSECURE": "1",
    "PLACIER_VERIFY": "false",
    "CYBERIMPACT_INSECURE": "1",
}


def test_a_certificate_that_nobody_vouches_for(
    rude: Rude, good: Good, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    words = ("push", "demo", "--as-of", "2026-03-04", "--json", "--config", str(rude.world.config))
    with served_over_tls(tmp_path, "127.0.0.2", rude.between.url) as (url, certificate):
        rude.world.set(platform={"base_url": url})
        told(request, rude.push())
        told(request, shell(*words, environment=WEAKER))
        for key in ("verify", "verify_tls", "insecure", "ssl_verify", "check_certificate"):
            rude.world.set(platform={key: False})
            refused = rude.world.placier("push", "demo")
            assert refused.code == 2
            assert f"unknown key platform.{key}" in refused.out
            del rude.world.platform[key]
        rude.world.write_config()
        assert rude.between.came.total() == 0
        trusted = shell(*words, environment={"SSL_CERT_FILE": str(certificate)})
        assert trusted.code == 0, "the server is a good one for who knows its certificate"
    assert rude.outcome() == good.outcome


# Alerts


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "https://api..exemple.test/x", "http://[::1/x", "http://127.0.0.1:{}/x"])  # fmt: skip
def test_a_healthcheck_that_fails(url: str, rude: Rude, good: Good, request: pytest.FixtureRequest) -> None:
    """The last one answers 500."""
    rude.between.lay(said(500), "GET /x", "GET /x/start")
    main = rude.world.config / "placier.toml"
    address = url.format(rude.between.server_address[1])
    main.write_text(f'{main.read_text()}[alerts]\nhealthcheck_url = "{address}"\n')
    rude.world.day("2026-03-04", [])
    answer = rude.world.placier("run", "demo", "--date", "2026-03-04", "--as-of", "2026-03-05")
    told(request, answer)
    assert answer.err.count("healthcheck failed") == 2
    assert address not in answer.err
    assert rude.outcome() == good.outcome


def test_a_healthcheck_that_hangs_holds_nobody_for_long() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        heard: list[str] = []
        ping(f"http://127.0.0.1:{silent.getsockname()[1]}/x", "", heard.append, timeout=0.1)
    assert heard == ["ReadTimeout"]


@pytest.mark.parametrize("what", ["refused", "500", "silent", "not understood"])
def test_an_alert_that_fails(
    what: str, rude: Rude, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = {"500": said(500), "silent": dropped(seconds=0.3)}
    rude.between.lay(faults.get(what, said(200)), "POST /gens")
    rude.between.faults["GET /customfields"] = (said(401), 9)
    port = 9 if what == "refused" else rude.between.server_address[1]
    urls = {"not understood": "nulle-part"}
    monkeypatch.setenv("ALERTS", urls.get(what, f"json://gens:motdepasse@127.0.0.1:{port}/gens?rto=0.1&cto=0.1"))
    main = rude.world.config / "placier.toml"
    main.write_text(f'{main.read_text()}[alerts]\nurls_env = "ALERTS"\n')
    answer = rude.push()
    told(request, answer)
    assert "alert failed" in answer.err
    assert "motdepasse" not in answer.err
    assert json.loads(answer.out), "the run is told all the same"
