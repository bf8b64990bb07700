"""Logs hold no address, and one event is one line."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.log import mask, masked, set_up


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("anne.tremblay@exemple.ca", "a***@exemple.ca"),
        ("de <anne@exemple.ca>, à bob@sous.exemple.org.", "de <a***@exemple.ca>, à b***@sous.exemple.org."),
        ("anne+theatre@exemple.ca", "a***@exemple.ca"),
        ("chloé.roy@exemple.ca", "c***@exemple.ca"),
        ("12 @ 5 $", "12 @ 5 $"),
        ("placier@host", "placier@host"),
        ("deux\nlignes\x1b[31m", "deux lignes [31m"),
        ("\u2028\x85\x7f", "   "),
    ],
)
def test_a_text_is_shown_without_addresses_on_one_line(text: str, shown: str) -> None:
    assert mask(text) == shown


LOCAL = st.text("abcdefghijklmnopqrstuvwxyz0123456789._+-", min_size=2, max_size=64)


@given(local=LOCAL, before=st.text("xyz ,;<(", max_size=5), after=st.sampled_from(["", " ", ">", ",", ")", "\n"]))
def test_the_name_in_an_address_never_shows(local: str, before: str, after: str) -> None:
    shown = mask(f"{before} {local}@exemple.ca{after}")
    assert f"{local}@" not in shown
    assert f"{local[0]}***@exemple.ca" in shown


def test_events_are_masked_however_deep() -> None:
    event = {"event": "run ended", "who": ["anne@exemple.ca", {"to": ("bob@exemple.ca",)}], "n": 3, "none": None}
    assert masked(None, "info", event) == {
        "event": "run ended",
        "who": ["a***@exemple.ca", {"to": ["b***@exemple.ca"]}],
        "n": 3,
        "none": None,
    }


def test_the_json_log_is_one_document_a_line_on_stderr() -> None:
    with redirect_stderr(io.StringIO()) as stderr:
        set_up("json", verbose=True).info("run ended", account="demo", what="de anne@exemple.ca\ndeux lignes")
    (line,) = stderr.getvalue().splitlines()
    told = json.loads(line)
    assert (told["event"], told["level"], told["account"]) == ("run ended", "info", "demo")
    assert told["what"] == "de a***@exemple.ca deux lignes"


def test_quiet_logs_hold_warnings_only() -> None:
    with redirect_stderr(io.StringIO()) as stderr:
        log = set_up("console", verbose=False)
        log.info("nothing")
        log.warning("something")
    assert "nothing" not in stderr.getvalue()
    assert "something" in stderr.getvalue()
