"""The page of a run: whole by itself, escaped, without addresses."""

from __future__ import annotations

import re
import stat
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import StateError
from pipeline.plan import Change, Counts, Leave, Preview
from pipeline.report.page import page, write_page
from pipeline.run import FileLine, Run
from pipeline.schema import Reject

NASTY = "<script>alert('x')</script>&\"'"
VOID = {"meta", "br"}


class Outline(HTMLParser):
    """Reads a page: its elements, whether they are balanced, its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "action"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def told(name: str = "achats.csv", title: str = "Le Songe", run_id: str = "R-1", why: str = "no") -> Run:
    """A run in which everything happened."""
    change = Change(
        "anne.tremblay@exemple.ca", True, True, False, {}, frozenset(), date(2026, 3, 1), "", 1,
        ("show:id:S1",), (Leave("show:id:S2", "cancelled"),), ("new contact",),
    )  # fmt: skip
    planned = Preview(
        Counts(contacts_created=1, joins=1, leaves=1),
        skips={"unsubscribed": 1},
        contacts=1,
        changes=(change,),
        titles={"show:id:S1": title, "show:id:S2": "Autre"},
    )
    run = Run("demo", "run", date(2026, 3, 1), date(2026, 3, 2), run_id)
    run.plan = planned
    run.pushed = Counts(contacts_created=1, joins=12345)
    run.files = [FileLine(name, "ab" * 32, 3, 2, 1, 1)]
    run.rejects = [(name, Reject(3, "bad_email", "T1;chloe.secret@exemple.ca"))]
    run.refused = {"denis.roy@exemple.ca": why}
    run.held = [("leaves", 60)]
    run.end()
    return run


def test_the_page_tells_all_that_happened() -> None:
    words = Outline(page(told())).words
    for word in ("demo: 2026-03-01", "as of 2026-03-02", "held", "R-1", "achats.csv", "bad_email", "new contact", "Le Songe",
                 "Autre (cancelled)", "unsubscribed", "12,345", "placier approve demo"):  # fmt: skip
        assert word in words


def test_the_page_needs_nothing_from_elsewhere() -> None:
    outline = Outline(page(told()))
    assert outline.open == []
    assert outline.links == []
    assert not {"script", "link", "img", "iframe", "object"} & set(outline.tags)
    assert "url(" not in page(told())
    assert "@import" not in page(told())


@given(nasty=st.sampled_from([NASTY, "</td></table>", "<article>", "&amp;", "l'<b>"]))
def test_what_came_from_outside_is_text(nasty: str) -> None:
    outline = Outline(page(told(name=nasty, title=nasty, run_id=nasty, why=nasty)))
    assert outline.open == []
    assert not {"script", "b"} & set(outline.tags)
    assert outline.tags.count("article") == 1
    assert nasty in outline.words


def test_addresses_are_masked_and_bad_lines_are_not_shown() -> None:
    text = page(told())
    for name in ("anne.tremblay", "bob", "denis.roy", "chloe.secret"):
        assert name not in text
    assert "a***@exemple.ca" in text
    assert "d***@exemple.ca" in text


def test_a_run_that_could_not_begin_has_a_page_too() -> None:
    run = Run("demo", "push", None, date(2026, 3, 2), "R-2")
    run.end()
    outline = Outline(page(run))
    assert outline.open == []
    assert "demo: 2026-03-02" in outline.words


def test_the_page_is_written_privately_under_account_and_date(tmp_path: Path) -> None:
    path = write_page(tmp_path / "rapports", told())
    assert path == tmp_path / "rapports" / "demo" / "2026-03-01.html"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("why", ["no", "deux\nlignes", "avec\u2028saut", "et\x0cautre"])
def test_later_runs_of_the_date_stand_above_the_earlier_ones(tmp_path: Path, why: str) -> None:
    for number in range(3):
        path = write_page(tmp_path, told(run_id=f"R-{number}", why=why))
    text = path.read_text(encoding="utf-8")
    outline = Outline(text)
    assert outline.open == []
    assert re.findall(r"run (R-\d)<", text) == ["R-2", "R-1", "R-0"]
    assert outline.tags.count("article") == 3


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("a file where the folder should be")
    with pytest.raises(StateError, match="cannot be written"):
        write_page(tmp_path, told())


def test_what_a_killed_run_left_of_a_page_is_gone_with_the_next_one(tmp_path: Path) -> None:
    path = write_page(tmp_path, told())
    unfinished = path.parent / "page.part"
    unfinished.write_text("half of another day's page, longer than any" * 1000, encoding="utf-8")
    assert write_page(tmp_path, told(run_id="R-2")).read_text(encoding="utf-8").endswith("</html>\n")
    assert list(path.parent.iterdir()) == [path]
