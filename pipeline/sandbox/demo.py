"""The whole story on the sandbox: a history, two nights, a corrected file, a cancellation, somebody who had left.

It is the real program against real servers on this machine: an SFTP drop, the stand-in of the platform, SQLite.
What it leaves in its folder can be looked at afterwards with the ordinary commands.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from pipeline import answers, nightly, show
from pipeline.bring import Replay
from pipeline.config import load
from pipeline.doors import Outside, open_state, setting
from pipeline.errors import UsageError
from pipeline.fields import BY_KEY
from pipeline.report import shelf
from pipeline.run import Run
from pipeline.sandbox.control import SandboxControl
from pipeline.sandbox.pair import Pair
from pipeline.sandbox.season import ORGANISATION, Season
from pipeline.sandbox.serve import TOKEN
from pipeline.screen import Page
from pipeline.setting import Setting

ACCOUNT = "demo"
MARKER = ".placier-demo"


class Story:
    """The stage: the drop, the platform, the account; and what is said."""

    def __init__(self, data: Path, pair: Pair, control: SandboxControl, page: Page) -> None:
        self.season = Season()
        self.people = self.season.people
        self.control = control
        self._drop = pair.drop_folder
        self._data = data
        self._page = page
        self.pages: list[Path] = []
        self.facts: dict[str, object] = {}

    def title(self, text: str) -> None:
        """A new scene."""
        self._page.say()
        self._page.say(f"▸ {text}", "bold")

    def say(self, text: str) -> None:
        """A remark."""
        self._page.say(f"  {text}")

    def tell(self, runs: Sequence[Run]) -> None:
        """What the program says of its runs."""
        show.runs(self._page, runs)

    def finished(self, stage: Setting, run: Run) -> None:
        """Every run writes its page."""
        self.pages.append(shelf.put(stage, run))

    def drop(self, day: date, *, corrected: bool = False) -> None:
        """The box office drops a day's files."""
        stamp = day.strftime("%Y%m%d")
        self._put(f"{ORGANISATION}_achats_{stamp}.csv", self.season.purchases_csv(day, corrected=corrected))
        self._put(f"{ORGANISATION}_annulations_{stamp}.csv", self.season.cancellations_csv(day))

    def drop_history(self) -> None:
        """The box office drops its 24 months."""
        self._put(f"{ORGANISATION}_historique.csv", self.season.history_csv(self.season.history_until))

    def _put(self, name: str, content: str) -> None:
        part = self._drop / f"{name}.part"
        part.write_text(content, encoding="utf-8")
        part.replace(self._drop / name)


def play(data: Path, page: Page, outside: Outside) -> dict[str, object]:
    """Play the story in the folder `data`; returns its facts, the page's path among them."""
    data = _emptied(data)
    page.say("Placier's demo: the real program, a local SFTP drop, a local stand-in of the mailing platform, SQLite.")
    with Pair(data) as pair, SandboxControl(pair.platform.url) as control:
        _write_config(data, pair)
        configuration = load(data / "config")
        account = configuration.account(ACCOUNT)
        story = Story(data, pair, control, page)
        database = open_state(configuration)
        try:
            stage = setting(configuration, account, database, outside)
            stage = replace(stage, finished=partial(story.finished, stage))
            _act(story, stage, lambda: setting(configuration, account, database, outside, dry=True))
            _answers(story, stage, page)
        finally:
            database.close()
    story.title("The page of the last night, to look at in a browser")
    path = _shown(story.pages[-1])
    story.facts["report"] = path
    config = _shown(data / "config")
    page.say("  look further:")
    page.say(f"    placier status {ACCOUNT} --config {config}")
    page.say(f"    placier why {ACCOUNT} {story.people.chantal.buyer.email} --config {config}")
    page.say(path)
    return story.facts


def _act(story: Story, stage: Setting, rehearsal: Callable[[], Setting]) -> None:
    season, people = story.season, story.people
    after = season.last_day + timedelta(days=1)

    story.title(f"The history of 24 months arrives ({season.first_day} to {season.history_until})")
    story.drop_history()
    preview = nightly.backfill(rehearsal(), [], season.first_night)
    counts = preview[0].plan.counts if preview[0].plan else None
    story.say(f"a dry run first: {counts.contacts_created if counts else 0} contacts would be created, nothing is sent")
    story.tell(nightly.backfill(stage, [], season.first_night))
    story.facts["contacts"] = len(story.control.state().members)

    story.title(f"{people.benoit.buyer.first_name} unsubscribes on the platform, and buys again on the first night")
    story.control.unsubscribe(people.benoit.buyer.email, on=season.history_until)
    story.drop(season.first_night)
    story.tell(nightly.run(stage, season.first_night, season.second_night, alone=False))

    story.title(f"The second night: {people.chantal.buyer.first_name} gives one of three tickets back")
    before = story.control.state().members[people.chantal.buyer.email].groups
    story.drop(season.second_night)
    story.tell(nightly.run(stage, season.second_night, after, alone=False))
    now = story.control.state().members[people.chantal.buyer.email].groups
    story.say(f"her groups before: {', '.join(before)}; now: {', '.join(now)}")

    story.title(f"The box office issues the first night again: {people.denis.buyer.first_name} bought another show")
    story.drop(season.first_night, corrected=True)
    story.tell(nightly.replay(stage, season.first_night, Replay(refetch=True), after))
    groups = story.control.state().members[people.denis.buyer.email].groups
    story.say(f"{people.denis.buyer.first_name}'s groups: {', '.join(groups)}")

    story.title("Support replays both nights, without fear")
    writes = story.control.writes()
    for day in (season.first_night, season.second_night):
        story.tell(nightly.replay(stage, day, Replay(), after))
    story.facts["writes_of_replays"] = story.control.writes() - writes
    story.say(f"writes sent to the platform by both replays: {story.facts['writes_of_replays']}")


def _answers(story: Story, stage: Setting, page: Page) -> None:
    people = story.people
    for booking, question in (
        (people.anne, "Why does Anne get e-mails?"),
        (people.benoit, "Why does Benoît not get any?"),
    ):
        story.title(question)
        with stage.database.transaction() as connection:
            answer = answers.why(
                connection, stage.account, booking.buyer.email, story.season.last_day + timedelta(days=1)
            )
        show.why(page, answer)
        story.facts[booking.buyer.first_name] = answer
    fields = story.control.state().members[people.anne.buyer.email].fields
    names = {key: BY_KEY[key].name for key in ("tickets", "price_category", "net_amount")}
    story.facts["platform"] = {key: fields[name] for key, name in names.items()}
    story.title("Anne, as the platform has her")
    for name in names.values():
        story.say(f"{name}: {show.written(fields[name])}")


def _emptied(data: Path) -> Path:
    """The folder, empty; UsageError rather than emptying one that is not a demo's."""
    data = data.absolute()
    if data.exists():
        if any(data.iterdir()) and not (data / MARKER).exists():
            raise UsageError(f"{data} is not empty and no demo made it", "choose another folder with --data")
        shutil.rmtree(data)
    data.mkdir(mode=0o700, parents=True)
    (data / MARKER).write_text("made by placier demo: emptied at its next start\n", encoding="ascii")
    return data


def _write_config(data: Path, pair: Pair) -> None:
    accounts = data / "config" / "accounts"
    accounts.mkdir(parents=True)
    token = data / "secrets" / "token"
    token.touch(mode=0o600)
    token.write_text(TOKEN, encoding="ascii")
    (data / "config" / "placier.toml").write_text('[state]\nurl = "sqlite:///var/placier.db"\n', encoding="utf-8")
    content = pair.account(ORGANISATION) + 'token_file = "secrets/token"\n'
    (accounts / f"{ACCOUNT}.toml").write_text(content, encoding="utf-8")


def _shown(path: Path) -> str:
    """A path as one would type it from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
