"""The page of a day: whole by itself, escaped, without addresses, in two languages; and written again from the state."""

from __future__ import annotations

import base64
import hashlib
import html
import os
import re
import shutil
import sqlite3
import stat
import string
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from program import killed
from world import World, buy, cancel

from pipeline import errors
from pipeline.fields import FIELDS, REGULAR
from pipeline.plan import Change, Counts, Leave, Preview
from pipeline.plan import Reason as LeaveReason
from pipeline.report.gather import Telling, people, story
from pipeline.report.page import SECTIONS, WORTH, Reader, page
from pipeline.report.plots import plots
from pipeline.report.sentences import SENTENCES
from pipeline.report.story import Standings, Story
from pipeline.report.summary import reasons
from pipeline.report.words import Words
from pipeline.run import EXIT, FileLine, Run
from pipeline.schema import REJECT_REASONS, Reject

NASTY = "<script>alert('x')</script>&\"'"
VOID = {"meta", "br", "input", "path", "rect", "circle"}
ANNE, BENOIT = "anne.tremblay@exemple.ca", "benoit.roy@exemple.ca"
TORONTO = ZoneInfo("America/Toronto")
LANGUAGES = ("fr", "en")


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

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
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


def figures() -> Standings:
    """A month of an account."""
    last = date(2026, 3, 1)
    days = [(last - timedelta(days=back)).isoformat() for back in range(28)]
    return Standings(
        until=last,
        bought={day: place + 1 for place, day in enumerate(days)},
        cancelled={days[0]: 2},
        contacts=((last - timedelta(days=1), 1200, 1100), (last, 1234, 1111)),
        groups=(("Le Songe", 42), (NASTY, 7)),
        nights=((last, 2.5),),
        ending=((30, 1), (60, 2), (90, 3)),
    )


def written(*runs: Run, language: str = "fr", addresses: bool = False, more: Standings | None = None) -> str:
    """The page of these runs, without a state."""
    tellings = [Telling(replace(story(run), standings=more), people(run)) for run in runs]
    return page(tellings, Reader("en" if language == "en" else "fr", TORONTO, addresses))


# The two languages


@pytest.mark.parametrize("key", sorted(SENTENCES))
def test_every_sentence_is_said_in_both_languages_with_the_same_values(key: str) -> None:
    french, english = SENTENCES[key]
    assert french.strip()
    assert english.strip()
    fields = [{field for _, field, _, _ in string.Formatter().parse(text) if field} for text in (french, english)]
    assert fields[0] == fields[1]


def codes() -> Iterator[tuple[str, str]]:
    """Every code that a page may have to tell, with its room."""
    yield from (("status", code) for code in [*EXIT, "running"])
    yield from (("kind", code) for code in ("run", "backfill", "replay", "push", "approve", "rebuild"))
    yield from (("reject", code) for code in REJECT_REASONS)
    yield from (
        ("skip", code) for code in ("unsubscribed", "unsubscribed_as", "bounced", "expired", "cancelled", "deleted")
    )
    yield from (("leave", code) for code in get_args(LeaveReason))
    yield from (
        (room, code)
        for room in ("hold", "wait")
        for code in ("leaves", "platform", "rejects", "volume", "purge", "gap")
    )
    yield from (("field", code) for code in [*REGULAR, *(field.key for field in FIELDS)])
    yield from (("reason", code) for code in ("new contact", "consent renewed", "sent again on request"))
    yield from (("stage", code) for code in ("fetch", "read", "record", "plan", "push", "survey"))
    yield from ((key, "title") for key in SECTIONS)
    yield from ((key, "none") for key in WORTH)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_a_name(language: str) -> None:
    words = Words("en" if language == "en" else "fr", SENTENCES)
    nameless = [f"{room}.{code}" for room, code in codes() if f"{room}.{code}" not in words.table]
    assert nameless == []


def test_every_error_that_ends_a_run_is_told_plainly() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.Failure)]
    named = {kind.__name__ for kind in kinds} - {"Failure"}
    assert {f"trouble.{name}" for name in named} <= SENTENCES.keys()


def test_french_keeps_its_signs_with_their_words() -> None:
    words = Words("fr", SENTENCES)
    for key, (french, _) in SENTENCES.items():
        values = {field: "x" for _, field, _, _ in string.Formatter().parse(french) if field}
        said = words.say(key, **values)
        assert not re.search(r" [:;?!»%]|« ", said), key
        assert "'" not in said, key
    assert words.say("in.ignored", names="a, b") == "Colonnes ignorées\u00a0: a, b."
    assert "«\u00a0Le Songe\u00a0»" in words.say("refused.group", n=2, title="Le Songe")


def test_numbers_and_days_are_written_as_the_language_does() -> None:
    french, english = Words("fr", SENTENCES), Words("en", SENTENCES)
    assert french.number(1234.5) == "1\u00a0234,5"
    assert english.number(1234.5) == "1,234.5"
    assert french.weekday(date(2026, 11, 1)) == "dimanche 1er\u00a0novembre 2026"
    assert french.day(date(2026, 11, 21)) == "21\u00a0novembre 2026"
    assert english.day(date(2026, 11, 1)) == "November 1, 2026"
    assert french.seconds(3725) == "1\u00a0h 02\u00a0min"


@pytest.mark.parametrize(
    ("language", "n", "said"),
    [("fr", 0, "0 ligne"), ("fr", 1, "1 ligne"), ("fr", 2, "2 lignes"), ("en", 0, "0 lines"), ("en", 1, "1 line"), ("en", 2, "2 lines")],
)  # fmt: skip
def test_zero_is_singular_in_french_alone(language: str, n: int, said: str) -> None:
    assert Words("en" if language == "en" else "fr", SENTENCES).say("sum.lines", n=n) == said


def test_the_fields_of_a_purchase_are_told_as_one_those_of_the_person_by_name() -> None:
    given = ("city changed", "phone changed", "tickets changed", "show_title changed", "consent renewed")
    said = reasons(given, (), Words("fr", SENTENCES))
    assert said == [
        "Consentement renouvelé",
        "Dernier achat mis à jour",
        "Coordonnées modifiées\u00a0: ville et téléphone",
    ]
    assert reasons((), ("cancelled",), Words("en", SENTENCES)) == ["Cancellation"]


# The page


@pytest.mark.parametrize(
    ("language", "wanted"),
    [
        ("fr", ("dimanche 1er\u00a0mars 2026", "Traitement de nuit", "2\u00a0mars 2026", "Retenu", "R-1", "achats.csv",
                "Adresse courriel invalide", "Nouveau contact", "Le Songe", "Autre (annulation)", "S’est désabonné",
                "12\u00a0345", "placier status demo", "60 retraits de groupes", "1 fichier reçu\u00a0: 3 lignes, 1 mise de côté.")),
        ("en", ("Sunday, March 1, 2026", "Nightly run", "Held", "R-1", "achats.csv", "Not a valid e-mail address", "New contact",
                "Le Songe", "Autre (cancelled)", "Unsubscribed", "12,345", "placier status demo", "60 leaves of groups",
                "1 file came in: 3 lines, 1 set aside.")),
    ],
)  # fmt: skip
def test_the_page_tells_all_that_happened(language: str, wanted: tuple[str, ...]) -> None:
    words = Outline(written(told(), language=language)).words
    assert [word for word in wanted if word not in words] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_needs_nothing_from_elsewhere(language: str) -> None:
    text = written(told(), told(run_id="R-2"), language=language, more=figures())
    outline = Outline(text)
    assert outline.open == []
    assert {link for link in outline.links if not link.startswith("#")} == {"../demo-nights.html"}
    assert outline.tags.count("script") == 1
    assert not {"link", "img", "iframe", "object"} & set(outline.tags)
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", text)


def test_a_page_runs_its_own_script_and_style_and_loads_nothing() -> None:
    text = written(told(), more=figures())
    policy = html.unescape(re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)[1])
    inline = {tag: re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)[1] for tag in ("style", "script")}
    digests = {tag: base64.b64encode(hashlib.sha256(own.encode()).digest()).decode() for tag, own in inline.items()}
    assert dict(part.split(" ", 1) for part in policy.split("; ")) == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digests['style']}'",
        "script-src": f"'sha256-{digests['script']}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


@given(nasty=st.sampled_from([NASTY, "</td></table>", "<article>", "&amp;", "l'<b>"]))
def test_what_came_from_outside_is_text(nasty: str) -> None:
    outline = Outline(written(told(name=nasty, title=nasty, run_id=nasty, why=nasty), more=figures()))
    assert outline.open == []
    assert outline.tags.count("script") == 1
    assert not {"b", "article"} & set(outline.tags) - {"b"}
    assert nasty in outline.words


def test_addresses_are_masked_and_bad_lines_are_not_shown() -> None:
    text = written(told(why="denis.roy@exemple.ca is no member"))
    for name in ("anne.tremblay", "denis.roy", "chloe.secret"):
        assert name not in text
    assert "a***@exemple.ca" in text
    assert "d***@exemple.ca" in text


def test_addresses_are_shown_to_who_asked_for_them() -> None:
    text = written(told(), addresses=True)
    assert "anne.tremblay@exemple.ca" in text
    assert "ne la transmettez pas" in text
    assert "chloe.secret" not in text


def test_many_changes_scroll_in_a_box_of_their_own_and_few_do_not() -> None:
    one = told()
    assert one.plan is not None
    many = told()
    many.plan = replace(one.plan, changes=one.plan.changes * 41, contacts=41)
    assert [written(run).count('class="long" role="region" tabindex="0"') for run in (one, many)] == [0, 1]


def test_a_run_that_could_not_begin_has_a_page_too() -> None:
    run = Run("demo", "push", None, date(2026, 3, 2), "R-2")
    run.end(errors.UsageError("no token, at anne@exemple.ca", "set it"))
    outline = Outline(written(run, language="en"))
    assert outline.open == []
    assert "Monday, March 2, 2026" in outline.words
    assert "needs mending" in outline.words
    assert "placier doctor demo" in outline.words
    assert "no token, at a***@exemple.ca" in outline.words


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_plot_has_its_words_and_its_table(language: str) -> None:
    drawn = plots(figures(), Words("en" if language == "en" else "fr", SENTENCES))
    assert [plot.key for plot in drawn] == ["sales", "contacts", "groups", "nights"]
    for plot in drawn:
        assert 'role="img"' in plot.picture
        assert f'aria-labelledby="plot-{plot.key}-title plot-{plot.key}-told"' in plot.picture
        assert not re.search(r"<script|<style| style=|xlink|NaN", plot.picture)
        assert plot.rows
        assert {len(row) for row in plot.rows} == {len(plot.head)}


def test_a_story_is_told_the_same_after_it_was_kept() -> None:
    kept = replace(story(told()), standings=figures())
    assert Story.of(kept.json()) == kept


# The state


def reports(world: World) -> Path:
    return world.root / "var" / "reports"


def night(world: World, day: str = "2026-03-01", **more: str) -> Path:
    """A night with two buyers and a bad line; the path of its page."""
    lines = [
        buy("T1", f"{day} 10:00:00", ANNE),
        buy("T2", f"{day} 11:00:00", BENOIT),
        buy("T3", f"{day} 11:00:00", "x", **more),
    ]
    world.day(day, lines)
    assert world.night(str(date.fromisoformat(day) + timedelta(days=1))).code == 0
    return reports(world) / "demo" / f"{day}.html"


def shown_night(world: World) -> Path:
    """The same, of an account whose pages show addresses."""
    with (world.config / "placier.toml").open("a") as file:
        file.write("[reports]\nshow_addresses = true\n")
    path = night(world)
    assert ANNE in path.read_text(encoding="utf-8")
    return path


def test_the_page_is_written_privately_under_account_and_date(world: World) -> None:
    path = night(world)
    assert {each.relative_to(reports(world)).as_posix() for each in reports(world).rglob("*")} == {
        "index.html", "demo-nights.html", "demo", "demo/2026-03-01.html",
    }  # fmt: skip
    for each in reports(world).rglob("*"):
        assert stat.S_IMODE(each.stat().st_mode) == (0o700 if each.is_dir() else 0o600)
    words = Outline(path.read_text(encoding="utf-8")).words
    for word in (
        "a***@exemple.ca",
        "Adresse courriel invalide",
        "2 contacts créés",
        "Réservations et annulations",
        "Le Songe",
    ):
        assert word in words


@pytest.mark.parametrize("gone", ["page", "folder"])
def test_a_page_that_is_gone_is_written_again_as_it_was(world: World, gone: str) -> None:
    older = night(world)
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE), cancel("T2", "2026-03-01 12:00:00")])
    assert world.placier("replay", "demo", "2026-03-01", "--refetch", "--as-of", "2026-03-02").code == 0
    newer = night(world, "2026-03-02")
    before = {path: path.read_text(encoding="utf-8") for path in (older, newer)}
    for path in (older, newer):
        if gone == "page":
            path.unlink()
        else:
            shutil.rmtree(reports(world), ignore_errors=True)
        date_of = ["--date", path.stem] if path == older else []
        assert world.placier("report", "demo", *date_of, json_too=False).out == f"{path}\n"
        assert path.read_text(encoding="utf-8") == before[path]


def test_the_newest_page_is_told_or_that_of_a_day(world: World) -> None:
    paths = [night(world, day) for day in ("2026-03-01", "2026-03-02")]
    newest = {"account": "demo", "date": "2026-03-02", "path": str(paths[1])}
    assert world.placier("report").json == {"reports": [newest]}
    assert world.placier("report", "demo", "--date", "2026-03-01").json["reports"][0]["path"] == str(paths[0])


def test_a_day_without_a_run_is_an_error_that_names_those_that_there_are(world: World) -> None:
    none = world.placier("report", "demo")
    assert (none.code, "placier run demo" in none.err) == (2, True)
    night(world)
    answer = world.placier("report", "demo", "--date", "2026-02-01")
    assert answer.code == 2
    assert "no run was for 2026-02-01" in answer.err
    assert "2026-03-01" in answer.err


def test_earlier_runs_of_the_day_stand_below_folded_up(world: World) -> None:
    path = night(world)
    for _ in range(2):
        assert world.placier("replay", "demo", "2026-03-01", "--as-of", "2026-03-02").code == 0
    outline = Outline(path.read_text(encoding="utf-8"))
    assert outline.open == []
    assert outline.tags.count("article") == 2
    assert outline.words.index("Rien n’a changé sur la plateforme") < outline.words.index("2 contacts créés")
    assert "Voir plus bas le passage qui a changé la plateforme." in outline.words
    assert "Voir plus bas" not in Outline(written(told(), told(run_id="R-2"))).words


def test_lists_tell_every_night_and_every_account(world: World) -> None:
    for day in ("2026-03-01", "2026-03-02"):
        night(world, day)
    nights = Outline((reports(world) / "demo-nights.html").read_text(encoding="utf-8"))
    assert [link for link in nights.links if link.startswith("demo/2026")] == [
        "demo/2026-03-02.html",
        "demo/2026-03-01.html",
    ]
    accounts = Outline((reports(world) / "index.html").read_text(encoding="utf-8"))
    assert {"demo-nights.html", "demo/2026-03-02.html"} <= set(accounts.links)


def test_the_page_is_in_the_language_of_the_account(world: World) -> None:
    account = world.config / "accounts" / "demo.toml"
    account.write_text('language = "en_ca"\n' + account.read_text())
    text = night(world).read_text(encoding="utf-8")
    assert '<html lang="en-CA">' in text
    assert "2 contacts created" in text


def test_who_is_forgotten_is_on_no_page_and_was_told_by_export(world: World) -> None:
    path = shown_night(world)
    told_of = world.placier("export", "demo", ANNE).json["consent"]["pages"]
    assert [(row["what"], row["detail"]["joins"]) for row in told_of] == [("changed", ["Clients Tuxedo", "Le Songe"])]
    assert world.placier("forget", "demo", ANNE).json["erased"]["pages"] == 1
    text = path.read_text(encoding="utf-8")
    assert ANNE not in text
    assert BENOIT in text
    assert world.placier("export", "demo", ANNE).json["consent"]["pages"] == []


def an_hour_passes(world: World, path: Path) -> None:
    """Since the night: a night is over for a while when somebody asks to be forgotten."""
    os.utime(path, (path.stat().st_mtime - 3600,) * 2)
    with closing(sqlite3.connect(world.root / "var" / "placier.db")) as state, state:
        state.execute("UPDATE pages SET told_at = strftime('%Y-%m-%d %H:%M:%f000', told_at, '-1 hour')")


@pytest.mark.parametrize(
    "next_time",
    [("forget", "demo", ANNE), ("forget", "demo", "nobody@exemple.ca"), ("report", "demo", "--date", "2026-03-01")],
    ids=["same", "other", "report"],
)
def test_a_page_that_could_not_be_written_again_is_by_the_next_time(world: World, next_time: tuple[str, ...]) -> None:
    path = shown_night(world)
    an_hour_passes(world, path)
    obstacle = path.parent / "page.part"
    obstacle.mkdir()
    failed = world.placier("forget", "demo", ANNE)
    assert failed.code == 1
    assert "then the same command again" in failed.json["error"]["remedy"]
    assert ANNE in path.read_text(encoding="utf-8")
    obstacle.rmdir()
    assert world.placier(*next_time).code == 0
    text = path.read_text(encoding="utf-8")
    assert (ANNE in text, BENOIT in text) == (False, True)


def test_a_page_from_before_the_last_thousand_runs_is_found_and_written_again(world: World) -> None:
    path = shown_night(world)
    with closing(sqlite3.connect(world.root / "var" / "placier.db")) as state, state:
        columns = [row[1] for row in state.execute("PRAGMA table_info(pages)")]
        later = {"run_id": "'R' || n", "day": "date('2026-03-02', '+' || n || ' days')"}
        state.execute(
            "WITH RECURSIVE count(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM count WHERE n < 1000) "
            f"INSERT INTO pages ({', '.join(columns)}) "
            f"SELECT {', '.join(later.get(name, name) for name in columns)} FROM pages, count"
        )
    assert world.placier("forget", "demo", ANNE).code == 0
    assert ANNE not in path.read_text(encoding="utf-8")
    assert world.placier("report", "demo", "--date", "2026-03-01").json["reports"][0]["path"] == str(path)


def test_what_a_guard_holds_is_told_with_the_command_that_approves_it(world: World) -> None:
    world.set(guard={"max_leaves": 0, "max_leave_ratio": 0.0})
    night(world)
    world.day("2026-03-02", [cancel("T1", "2026-03-02 10:00:00")])
    held = world.night("2026-03-03")
    assert held.code == 5
    words = Outline((reports(world) / "demo" / "2026-03-02.html").read_text(encoding="utf-8")).words
    assert f"placier approve demo {held.run['run_id']}" in words
    assert "Le Songe (annulation, retenu)" in words


def test_a_run_that_was_killed_is_told_by_the_next_one(world: World) -> None:
    night(world)
    world.day("2026-03-02", [buy("T9", "2026-03-02 10:00:00", ANNE)])
    words = ("run", "demo", "--as-of", "2026-03-03", "--config", str(world.config))
    with killed(*words, once=lambda: statuses(world).count("running") == 1):
        pass
    world.day("2026-03-03", [])
    assert world.night("2026-03-04").code == 0
    page_of_the_night = (reports(world) / "demo" / "2026-03-02.html").read_text(encoding="utf-8")
    assert "a été interrompu" in Outline(page_of_the_night).words


def statuses(world: World) -> list[str]:
    with closing(sqlite3.connect(world.root / "var" / "placier.db")) as state:
        return [row[0] for row in state.execute("SELECT status FROM runs")]


def test_pages_go_with_what_is_too_old(world: World) -> None:
    old = night(world, "2024-01-02")
    assert old.exists()
    world.day("2026-04-01", [buy("T5", "2026-04-01 10:00:00", BENOIT)])
    assert world.placier("run", "demo", "--date", "2026-04-01", "--as-of", "2026-04-02").code == 0
    assert not old.exists()
    with closing(sqlite3.connect(world.root / "var" / "placier.db")) as state:
        assert state.execute("SELECT count(*) FROM page_people WHERE email = ?", (ANNE,)).fetchone() == (0,)
        assert {row[0] for row in state.execute("SELECT day FROM pages")} == {"2026-04-01"}


def test_what_a_killed_run_left_of_a_page_is_gone_with_the_next_one(world: World) -> None:
    path = night(world)
    unfinished = path.parent / "page.part"
    unfinished.write_text("half of another day's page, longer than any" * 10_000, encoding="utf-8")
    assert world.placier("replay", "demo", "2026-03-01", "--as-of", "2026-03-02").code == 0
    assert path.read_text(encoding="utf-8").endswith("</html>")
    assert not unfinished.exists()
