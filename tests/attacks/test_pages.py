"""A page is read by browsers, a terminal and a log obey control characters: nothing from outside may become an order."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
import unicodedata
from contextlib import redirect_stderr, redirect_stdout
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from world import World, buy

from pipeline.cli import _page
from pipeline.errors import UntrustedFile
from pipeline.log import escaped, mask, plain, set_up
from pipeline.plan import Change, Leave, Preview
from pipeline.report.gather import Telling, people, story
from pipeline.report.page import Reader, page
from pipeline.run import FileLine, Run
from pipeline.schema import Reject

hostile = st.text(
    st.one_of(st.sampled_from("<>&\"'`=/ \n\r\t\x1b\x9b\x00\u2028\u202e\u2066\ud800-"), st.characters(codec=None)),
    max_size=30,
)


class Elements(HTMLParser):
    """Every element of a page with its attributes, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "br":  # a message has as many lines as it has
            self.found.append((tag, tuple(attrs)))

    def handle_comment(self, data: str) -> None:
        self.found.append(("comment", ()))

    def unknown_decl(self, data: str) -> None:
        self.found.append(("declaration", ()))


def page_of(run: Run) -> str:
    return page([Telling(story(run), people(run))] * 2, Reader("fr", ZoneInfo("America/Toronto")))


def told(text: str, email: str) -> Run:
    """A run in which everything that may come from outside is `text`."""
    change = Change(
        email, True, True, False, {}, frozenset(), date(2026, 3, 1), text, 1,
        ("show:id:S1",), (Leave("show:id:S2", text),), (text,),
    )  # fmt: skip
    run = Run(text, text, date(2026, 3, 1), date(2026, 3, 2), text)
    run.plan = Preview(skips={text: 1}, contacts=1, changes=(change,), titles={"show:id:S1": text, "show:id:S2": text})
    run.files = [FileLine(text, "ab" * 32, 3, 2, 1, 1)]
    run.rejects = [(text, Reject(3, text, text))]
    run.refused = {email: text}
    run.held = [(text, 60)]
    run.end(UntrustedFile(text or "x", text))
    return run


@given(text=hostile)
@example(text="</style><script>alert(1)</script>")
@example(text="' onmouseover='alert(1)")
@example(text="<!-- <![CDATA[ <?php")
@example(text="&lt;script&gt;")
@example(text="\ud800")
def test_no_text_adds_an_element_or_an_attribute_to_the_page(text: str) -> None:
    assume(text.strip())  # of a message without a word nothing is written
    written = page_of(told(text, f"{text}@exemple.ca"))
    same_link = re.sub(r'href="\.\./[\w%.~/-]*-nights\.html"', 'href="../x-nights.html"', written, flags=re.ASCII)
    assert Elements(same_link).found == Elements(page_of(told("x", "x@exemple.ca"))).found
    written.encode()
    assert len(written.splitlines()) == len(page_of(told("x", "x@exemple.ca")).splitlines())


def test_the_page_allows_its_own_style_and_script_and_nothing_else() -> None:
    written = page_of(told("x", "x@exemple.ca"))
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', written)
    digests = {}
    for name in ("style", "script"):
        (text,) = re.findall(rf"<{name}>(.*?)</{name}>", written, re.DOTALL)
        digests[name] = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    assert html.unescape(policy) == (
        f"default-src 'none'; style-src 'sha256-{digests['style']}'; script-src 'sha256-{digests['script']}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert written.index("Content-Security-Policy") < written.index("<style>")
    assert " style=" not in written.partition("</style>")[2]


def test_what_the_platform_says_of_a_person_is_masked_too() -> None:
    run = told("x", "anne@exemple.ca")
    run.refused = {"anne@exemple.ca": "anne@exemple.ca n'est pas valide"}
    run.end()
    assert "pas valide" in run.message
    assert "pas valide" in page_of(run)
    assert "anne@" not in page_of(run) + run.message


# The terminal

OBEYED = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
EVIL = "\x1b[2J\x1b]0;titre\x07\x9b31m\r\x08\u202eevil\u2066\x7f"


@given(text=hostile)
def test_nothing_that_is_shown_is_obeyed(text: str) -> None:
    with redirect_stdout(io.StringIO()) as out:
        shown = _page()
        shown.say(text)
        shown.table(("a", "b"), [(text, text)])
    assert not OBEYED.search(out.getvalue())
    assert out.getvalue().count("\n") == 3
    assert not OBEYED.search(plain(text))
    assert not OBEYED.search(mask(text))


@given(text=hostile)
def test_json_is_the_same_document_with_nothing_that_a_terminal_obeys(text: str) -> None:
    written = escaped(json.dumps({text: [text]}, ensure_ascii=False, indent=2))
    assert json.loads(written) == {text: [text]}
    assert not OBEYED.search(written)
    written.encode()


@pytest.mark.parametrize("json_too", [True, False])
def test_names_titles_and_bad_lines_reach_the_terminal_tamed(world: World, json_too: bool) -> None:
    world.day("2026-03-01", [
        buy("T1", "2026-03-01 10:00:00", "anne@exemple.ca", prenom=f"Anne{EVIL}", titre_spectacle=f"Songe{EVIL}"),
        buy(f"T2{EVIL}", "hier", f"bob{EVIL}@exemple.ca"),
    ])  # fmt: skip
    (file,) = world.drop.glob("*achats*")
    answers = [
        world.placier("check", str(file), json_too=json_too),
        world.night("2026-03-02", "--dry-run"),
        world.night("2026-03-02"),
        world.placier("why", "demo", "anne@exemple.ca", json_too=json_too),
        world.placier("why", "demo", f"x{EVIL}@exemple.ca", json_too=json_too),
        world.placier("status", "demo", json_too=json_too),
        world.placier("verify", "demo", json_too=json_too),
        world.placier("export", "demo", "anne@exemple.ca", json_too=json_too),
        world.placier("expiring", "demo", "--within", "3000", json_too=json_too),
        world.placier("check", f"nulle{EVIL}part.csv", json_too=json_too),
        world.placier("status", f"compte{EVIL}", json_too=json_too),
    ]
    assert [answer.code for answer in answers] == [3, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2]
    for answer in answers:
        assert not OBEYED.search(answer.out + answer.err)
    assert "evil" in answers[0].out
    assert "evil" in answers[3].out
    (report,) = (world.root / "var" / "reports" / "demo").glob("2*.html")
    assert not OBEYED.search(report.read_text(encoding="utf-8"))


# The log


@pytest.mark.parametrize("form", ["console", "json"])
@given(text=hostile)
@example(text="fin\n2026-03-02T00:00:00Z [info     ] run ended account=faux")
@example(text='"}\n{"event": "run ended"}')
def test_no_field_forges_a_line_of_the_log(form: str, text: str) -> None:
    with redirect_stderr(io.StringIO()) as err:
        set_up(form, verbose=True).info(
            "run ended", account=text, more={text: [text, Path(f"/{text}")]}, error=ValueError(text), clé=text
        )
    written = err.getvalue()
    assert written.endswith("\n")
    assert not OBEYED.search(written)
    assert written.count("\n") == 1
    if form == "json":
        assert json.loads(written)["event"] == "run ended"
    assert all(unicodedata.category(letter) != "Cc" for letter in written[:-1])
