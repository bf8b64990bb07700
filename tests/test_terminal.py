"""On a terminal there are tables and colours; NO_COLOR and pipes take them away."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest
from world import World, buy

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def night(world: World) -> World:
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", "anne@exemple.ca"), buy("T2", "bad", "bob@exemple.ca")])
    assert world.night("2026-03-02").code == 0
    return world


def on_terminal(world: World, *words: str, **environment: str) -> tuple[int, str]:
    """Run the program with its output and errors on a pseudo-terminal of 80 columns."""
    ours, theirs = pty.openpty()
    variables = {**os.environ, "COLUMNS": "80", "TERM": "xterm", **environment}
    command = [sys.executable, "-m", "pipeline", *words, "--config", str(world.config)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=variables) as process:
        os.close(theirs)
        seen = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            seen += piece
    os.close(ours)
    return process.returncode, seen.decode()


def test_a_run_tells_what_it_did(night: World) -> None:
    code, seen = on_terminal(night, "run", "demo", "--as-of", "2026-03-02")
    plain = ANSI.sub("", seen)
    assert code == 0
    assert "demo: run 2026-03-01 as of 2026-03-02: done" in plain
    assert "set aside: Theatre_achats_20260301.csv line 3: bad_date" in plain
    assert "\x1b[" in seen
    assert "anne" not in plain
    assert "run ended" not in plain


def test_tables_fit_eighty_columns(night: World) -> None:
    for words in (("status", "demo"), ("why", "demo", "anne@exemple.ca"), ("expiring", "demo", "--within", "800")):
        code, seen = on_terminal(night, *words)
        assert code == 0
        for line in ANSI.sub("", seen).splitlines():
            assert len(line.rstrip()) <= 80 or "said by" in line or "last success" in line, line


def test_no_color_is_honoured(night: World) -> None:
    _, seen = on_terminal(night, "status", "demo", NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", seen)


def test_a_failed_run_says_what_to_type_next(night: World) -> None:
    code, seen = on_terminal(night, "run", "demo", "--as-of", "2026-03-05", "--date", "2026-03-04")
    plain = ANSI.sub("", seen)
    assert code == 4
    assert "not found for 2026-03-04" in plain
    assert "placier run demo --date 2026-03-04" in plain
    assert "Traceback" not in plain
