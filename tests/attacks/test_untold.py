"""Tokens, keys, passwords and addresses are told to nobody who did not ask for them: a long story, and all it left behind.

Where addresses belong: the database, the archive, and the answers of `why`, `check`, `verify`, `expiring`, `export` and
`forget` on standard output.  Nowhere else, and secrets nowhere at all.
"""

from __future__ import annotations

import itertools
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from program import clean_environment, wait_until
from venue import Venue, over_sftp
from world import Answer, buy, cancel, text

from pipeline.sandbox.control import SandboxControl
from pipeline.sandbox.pair import Pair
from pipeline.sandbox.serve import TOKEN
from pipeline.sandbox.switches import Fault

PASSWORD = "motdepasse-tres-secret"
PEOPLE = (
    "anne.tremblay@exemple.ca",
    "benoit+billets@exemple.ca",
    "chloe.o'brien@exemple.ca",
    "élise.côté@exemple.ca",
    f"{'d' * 64}@exemple.ca",
    "mauvaise..adresse@exemple.ca",
)
ANNE, BENOIT, CHLOE, ELISE, LONG, BAD = PEOPLE
NAMES = ("Secrète-Gagnon", "514 555-0199")


def bought(number: int, email: str, day: str = "2026-03-01", **more: str) -> dict[str, str]:
    return dict(buy(f"T{number}", f"{day} 1{number}:00:00", email, **{"nom": NAMES[0], "telephone": NAMES[1], **more}))


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    with Pair(tmp_path) as pair, SandboxControl(pair.platform.url) as control:
        yield Venue(tmp_path, pair.platform, control, source=over_sftp(pair.drop.port), platform={"retries": 1})


def betrayed(told: str, secrets: tuple[str, ...]) -> list[str]:
    """The secrets, addresses and names in a text, in any case and however a URL or JSON would write them."""
    lowered = told.lower()
    sought = [*secrets, *PEOPLE, *NAMES, *(email.partition("@")[0] for email in PEOPLE)]
    ways = {way.lower() for word in sought for way in (word, quote(word), quote(word, safe="@"))}
    return sorted(way for way in ways if way in lowered)


def story(venue: Venue) -> Iterator[tuple[str, Answer]]:
    """Everything that a venue lives through, good and bad; all that can be told is, in either form of the log."""
    forms = itertools.cycle(["console", "json"])

    def placier(*more: str) -> tuple[str, Answer]:
        return " ".join(more), venue.placier(*more, "-v", "--log-format", next(forms))

    def night(as_of: str, *more: str) -> tuple[str, Answer]:
        return placier("run", "demo", "--as-of", as_of, *more)

    config = venue.config / "accounts" / "demo.toml"
    good = config.read_text()
    venue.history([bought(0, email, "2025-06-01") for email in PEOPLE])
    yield placier("backfill", "demo", "--as-of", "2026-03-01")
    venue.control.unsubscribe(BENOIT)
    venue.control.add_fault(Fault("error_before", "POST", "/batches"), Fault("drop_after", "GET", "/groups*"))
    venue.control.add_fault(
        Fault("refuse", emails=(CHLOE,)), Fault("error_after", "GET", "/members/*", status=502, html=True)
    )
    venue.day("2026-03-01", [bought(n, email) for n, email in enumerate(PEOPLE)])
    yield night("2026-03-02", "--dry-run")
    yield night("2026-03-02")
    venue.control.clear_faults()
    yield placier("push", "demo", "--as-of", "2026-03-02")
    venue.day("2026-03-02", [cancel("T0", "2026-03-02 09:00:00", ANNE), bought(6, ELISE, "2026-03-02")])
    venue.control.make_dynamic("Clients Tuxedo")
    yield night("2026-03-03")
    yield placier("replay", "demo", "2026-03-01", "--as-of", "2026-03-03", "--resend")
    yield night("2026-03-09")
    for spoiled in (
        text([bought(7, ANNE, "2026-03-03")])[:-30],
        text([bought(7, ANNE, "2026-03-03")]).partition("\n")[2],
        text([bought(7, ANNE, "2026-03-01")]),
        text([bought(7, ANNE, "2026-03-03")]).replace("montant_net", "montant").replace("ville", ANNE),
        text([bought(7, ANNE, "2026-03-03", nom='"' + ANNE)]).replace('"""', '"'),
        text([bought(7, BAD, "2026-03-03")] * 40),
    ):
        venue.day("2026-03-03", [])
        (venue.drop / "Theatre_achats_20260303.csv").write_text(spoiled, encoding="utf-8")
        yield night("2026-03-04", "--date", "2026-03-03")
    stray = venue.root / "achats de quelqu'un.csv"
    stray.write_text(text([bought(7, ANNE, "2026-03-03")]), encoding="utf-8")
    yield placier("replay", "demo", "2026-03-03", "--file", str(stray), "--as-of", "2026-03-04")
    yield placier("approve", "demo", "nulle-part")
    for spoil in (
        good.replace(venue.server.url, "http://127.0.0.1:9"),
        good.replace('token_file = "token"', 'token_file = "autre"'),
        re.sub(r"key_file = .*", 'password_env = "DEPOT_MOT"', good).replace('user = "placier"', 'user = "autre"'),
        good.replace("timezone", "fuseau"),
    ):
        config.write_text(spoil)
        (venue.root / "autre").write_text(TOKEN[::-1] + "-faux")
        (venue.root / "autre").chmod(0o600)
        yield placier("push", "demo", "--as-of", "2026-03-04")
        yield night("2026-03-04", "--date", "2026-03-01")
        yield placier("doctor")
    config.write_text(good)
    yield placier("status")
    yield placier("doctor")
    with closing(sqlite3.connect(venue.root / "var" / "placier.db")) as state:  # a state that nobody foresaw
        state.execute("UPDATE bookings SET performance_start = email || 'x', booked_on = email")
        state.commit()
    for more in (("push",), ("status",), ("verify",), ("replay", "2026-03-01", "--resend")):
        yield placier(more[0], "demo", *more[1:])
    yield placier("why", "demo", ANNE)
    yield placier("export", "demo", ANNE)


def test_nobody_is_told_a_secret_or_an_address(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPOT_MOT", PASSWORD)
    (key,) = re.findall(r'key_file = "(.*)"', (venue.config / "accounts" / "demo.toml").read_text())
    lines = (venue.root / key).read_text().splitlines()[1:-1]
    secrets = (TOKEN, TOKEN[::-1] + "-faux", PASSWORD, *lines)
    codes = set()
    for command, answer in story(venue):
        codes.add(answer.code)
        asked = command.startswith(("why", "export", "verify")) and answer.code in {0, 3}
        assert betrayed(answer.err + ("" if asked else answer.out), secrets) == [], command
        assert betrayed(answer.out, secrets[:3]) == [] or asked, command
        assert "Traceback" not in answer.out + answer.err, command
    assert codes >= {0, 1, 2, 3, 4, 5}
    kept = [path for path in (venue.root / "var").rglob("*") if path.is_file()]
    written = [path for path in kept if "archive" not in path.parts and not path.name.startswith("placier.db")]
    assert [path.suffix for path in written].count(".html") >= 3
    for path in written:
        assert betrayed(path.read_text(encoding="utf-8"), secrets) == [], path
        assert betrayed(path.name, secrets) == []
    with closing(sqlite3.connect(venue.root / "var" / "placier.db")) as state:
        runs = repr(state.execute("SELECT * FROM runs").fetchall())
        everything = "\n".join(state.iterdump())
    assert runs.count("failed") > 5
    assert betrayed(runs, secrets) == []
    for secret in secrets:
        assert secret not in everything


def command_line(pid: int) -> str:
    """What anybody on the machine can read of a process."""
    told = Path(f"/proc/{pid}/cmdline")
    if told.exists():
        return told.read_text(encoding="utf-8").replace("\0", " ")
    return subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=True
    ).stdout


def test_the_list_of_processes_tells_nothing(venue: Venue) -> None:
    venue.day("2026-03-01", [bought(n, email) for n, email in enumerate(PEOPLE)])
    config = venue.config / "accounts" / "demo.toml"
    config.write_text(config.read_text().replace('token_file = "token"', 'token_env = "JETON"'))
    venue.control.add_fault(Fault("hang_after", "POST", "/batches"))
    command = [sys.executable, "-m", "pipeline", "run", "demo", "--as-of", "2026-03-02", "--config", str(venue.config)]
    environment = clean_environment({"JETON": TOKEN})
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            wait_until(lambda: any(entry.fault for entry in venue.control.log()), lambda: process.poll() is None)
            listed = command_line(process.pid)
        finally:
            process.kill()
    assert str(venue.config) in listed
    assert betrayed(listed, (TOKEN,)) == []
