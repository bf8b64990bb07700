"""Who comes into the console, from where, with what; and what every answer tells the browser."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from datetime import datetime

import httpx
import pytest
from program import PATIENCE, clean_environment

from console.visitor import PASSWORD, Clock, console, text
from pipeline.console.entry import Door, _digest

PAGES = (
    "/",
    "/accounts/demo",
    "/accounts/demo/nights/2026-03-01",
    "/accounts/demo/nights/2026-03-01/page",
    "/accounts/demo/contact",
    "/accounts/demo/expiring",
    "/accounts/demo/replay",
    "/accounts/demo/errands/x",
    "/accounts/demo/held/x",
    "/accounts/strange",
    "/nowhere",
)
FORMS = (
    "/accounts/demo/contact",
    "/accounts/demo/replay",
    "/accounts/demo/errands/x",
    "/accounts/demo/held/x",
    "/logout",
)


@pytest.mark.parametrize(("password", "told"), [("", "is not set"), ("onze-signes", "shorter than 12")])
def test_nothing_starts_without_a_password_that_is_long_enough(world, monkeypatch, password, told):
    monkeypatch.setenv("PLACIER_CONSOLE_PASSWORD", password)
    answer = world.placier("console", "--port", "0")
    assert answer.code == 2
    assert told in answer.json["error"]["message"]
    assert "export PLACIER_CONSOLE_PASSWORD" in answer.json["error"]["remedy"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_another_address_than_this_machine_s_is_refused_without_tls(world, monkeypatch, host):
    monkeypatch.setenv("PLACIER_CONSOLE_PASSWORD", PASSWORD)
    answer = world.placier("console", "--host", host, "--port", "0")
    assert answer.code == 2
    assert "without TLS" in answer.json["error"]["message"]
    assert "--behind-tls" in answer.json["error"]["remedy"]


def test_the_command_says_where_it_is_serves_and_ends_when_it_is_asked_to(world):
    words = [sys.executable, "-m", "pipeline", "console", "--port", "0", "--config", str(world.config)]
    environment = clean_environment({"PLACIER_CONSOLE_PASSWORD": PASSWORD})
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert found, line
        assert httpx.get(found[0] + "login", timeout=PATIENCE).status_code == 200
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (0, "", "")


def test_no_page_and_no_form_without_the_password(world):
    with console(world) as house, house.visitor() as somebody:
        for path in PAGES:
            answer = somebody.get(path)
            assert (answer.status_code, answer.headers["location"], answer.text) == (303, "/login", ""), path
        for path in FORMS:
            assert somebody.post(path).headers["location"] == "/login", path


def test_a_wrong_password_opens_nothing_and_the_right_one_opens_a_visit_that_scripts_and_other_sites_cannot_use(world):
    with console(world) as house, house.visitor() as somebody:
        wrong = somebody.post("/login", password=PASSWORD + "x")
        assert (wrong.status_code, "set-cookie" in wrong.headers) == (403, False)
        assert "Ce n’est pas le bon mot de passe" in wrong.text
        right = somebody.post("/login", password=PASSWORD)
        assert (right.status_code, right.headers["location"]) == (303, "/")
        name, _, rest = right.headers["set-cookie"].partition("=")
        assert name == "placier"
        assert {part.strip().lower() for part in rest.split(";")[1:]} == {"httponly", "path=/", "samesite=strict"}
        assert somebody.get("/accounts/demo").status_code == 200


def test_behind_tls_the_cookie_goes_over_tls_alone_and_the_public_name_is_answered(world):
    with console(world, behind="placier.example.org") as house:
        headers = {"host": "placier.example.org", "origin": "https://placier.example.org"}
        answer = httpx.post(f"{house.url}login", data={"password": PASSWORD}, headers=headers, timeout=PATIENCE)
        cookie = answer.headers["set-cookie"].lower()
        assert cookie.startswith("__host-placier=")
        assert {"secure", "httponly"} <= {part.strip() for part in cookie.split(";")}
        assert answer.headers["strict-transport-security"]
        assert house.server.public_url == "https://placier.example.org/"


def test_too_many_wrong_passwords_and_not_even_the_right_one_is_listened_to(world):
    with console(world) as house, house.visitor() as somebody:
        assert [somebody.post("/login", password=f"faux-{n}").status_code for n in range(6)] == [403] * 5 + [429]
        answer = somebody.post("/login", password=PASSWORD)
        assert (answer.status_code, "set-cookie" in answer.headers) == (429, False)
        assert 'href="/login"' in answer.text


def test_wrong_passwords_from_everywhere_are_counted_together():
    door = Door(_digest(PASSWORD), Clock())
    for number in range(30):
        address = f"192.0.2.{number}"
        assert door.may_try(address)
        assert door.enter("faux", address) is None
    assert not door.may_try("198.51.100.1")


def test_a_visit_ends_when_it_is_left_alone_or_has_lasted_a_day_s_work(world):
    with console(world) as house, house.inside() as somebody:
        for _ in range(16):
            house.clock.later(minutes=29)
            assert somebody.get("/accounts/demo/contact").status_code == 200
        house.clock.later(minutes=16)
        assert somebody.get("/accounts/demo").headers["location"] == "/login"
        somebody.enter()
        house.clock.later(minutes=30)
        assert somebody.get("/accounts/demo").headers["location"] == "/login"


def test_signing_out_ends_the_visit_here_too_and_signing_in_again_begins_another(world):
    with console(world) as house, house.inside() as somebody:
        before = dict(somebody.client.cookies)
        assert somebody.post("/login", password=PASSWORD).status_code == 303
        after = dict(somebody.client.cookies)
        assert before != after
        assert httpx.get(f"{house.url}accounts/demo", cookies=before).headers["location"] == "/login"
        somebody.get("/accounts/demo")
        assert somebody.post("/logout").headers["location"] == "/login"
        assert httpx.get(f"{house.url}accounts/demo", cookies=after).headers["location"] == "/login"


def test_a_form_without_the_visit_s_mark_does_nothing(world):
    world.day("2026-03-01", [])
    assert world.night("2026-03-02").code == 0
    with console(world) as house, house.inside() as somebody, house.inside() as another:
        for mark in ("", "x", another.mark, somebody.mark[:-1]):
            answer = somebody.post("/accounts/demo/replay", mark=mark, day="2026-03-01")
            assert answer.status_code == 403
            assert "rien n’a été fait" in text(answer.text)
        assert not house.server.errands.busy()
        assert somebody.post("/accounts/demo/replay", day="2026-03-01").status_code == 303


ELSEWHERE = (
    {"origin": "https://example.org"},
    {"origin": "http://127.0.0.1:1"},
    {"origin": "null"},
    {"origin": "null", "sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {},
)


def test_a_form_from_elsewhere_is_refused_whatever_it_carries(world):
    with console(world) as house, house.inside() as somebody:
        for headers in ELSEWHERE:
            for path in ("/login", *FORMS):
                assert somebody.post(path, headers, password=PASSWORD).status_code == 403, (path, headers)
        ours = {"origin": "null", "sec-fetch-site": "same-origin"}  # what browsers send under no-referrer
        assert somebody.post("/accounts/demo/contact", ours, email="x@exemple.test").status_code == 200


def test_a_name_that_is_not_ours_is_not_answered(world):
    with console(world) as house, house.visitor() as somebody:
        for host in ("example.org", "example.org:80", "127.0.0.1.example.org", "", "localhost.example.org"):
            answer = somebody.get("/login", host=host)
            assert answer.status_code in {400, 421}, host
            assert "<form" not in answer.text
        assert somebody.get("/login", host=f"localhost:{house.port}").status_code == 200


def test_a_long_form_and_one_that_hides_its_length_are_refused(world):
    with console(world) as house, house.visitor() as somebody:
        assert somebody.post("/login", password="x" * 20_000).status_code == 413
        origin = {"origin": house.url.rstrip("/"), "content-type": "application/x-www-form-urlencoded"}
        streamed = somebody.client.post("/login", content=iter([b"password=", b"x"]), headers=origin)
        assert streamed.status_code == 411


def test_every_answer_tells_browsers_to_keep_nothing_frame_nothing_and_load_nothing_from_elsewhere(world):
    with console(world) as house, house.inside() as somebody:
        for path in ("/login", "/accounts/demo", "/accounts/demo/contact", "/static/watch.js", "/nowhere"):
            headers = somebody.get(path).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert headers["cache-control"] == "no-store"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert "server" not in headers


def test_the_language_is_the_account_s_until_another_is_chosen(world):
    with console(world) as house, house.inside("en-CA,en;q=0.9") as somebody:
        assert 'lang="en-CA"' in somebody.get("/login").text
        assert "Les nuits" in somebody.get("/accounts/demo").text
        chosen = somebody.get("/accounts/demo?lang=en")
        assert chosen.headers["location"] == "/accounts/demo"
        assert "The nights" in somebody.get("/accounts/demo").text
        assert "Support console" in somebody.get("/login").text


def test_a_door_forgets_the_oldest_visits_first():
    clock = Clock(datetime(2026, 3, 3))
    door = Door(_digest(PASSWORD), clock)
    cookies = []
    for _ in range(502):
        clock.later(seconds=1)
        cookies.append(door.enter(PASSWORD, "127.0.0.1"))
    assert door.visit(cookies[0]) is None
    assert door.visit(cookies[-1]) is not None
