"""The words of the command line: days, examples, what to type next when a word is wrong.  It loads nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

import click

EXAMPLES: Mapping[str, str] = {
    "approve": "placier approve demo 20261113T121502-8bbd1f",
    "backfill": "placier backfill demo Theatre-du-Quai_historique.csv --dry-run",
    "backup": "placier backup var/placier-2026-11-13.db",
    "check": "placier check Theatre-du-Quai_achats_20261113.csv --account demo",
    "completion": "placier completion bash",
    "console": "placier console --allow-replay",
    "demo": "placier demo --data var/demo",
    "doctor": "placier doctor demo",
    "expiring": "placier expiring demo --within 30",
    "export": "placier export demo anne.tremblay@exemple.test",
    "forget": "placier forget demo anne.tremblay@exemple.test",
    "init": "placier init /srv/placier",
    "push": "placier push demo",
    "rebuild": "placier rebuild demo --dry-run",
    "replay": "placier replay demo 2026-11-13",
    "report": "placier report demo --date 2026-11-13",
    "run": "placier run demo --date 2026-11-13",
    "sandbox": "placier sandbox --data var/sandbox",
    "status": "placier status demo",
    "verify": "placier verify demo",
    "why": "placier why demo anne.tremblay@exemple.test",
}
"""A command line that is right, by command."""


class Day(click.DateTime):
    """A day of the calendar, `2026-11-13`."""

    name = "day"

    def __init__(self) -> None:
        super().__init__(["%Y-%m-%d"])

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """How a day is written."""
        return "YYYY-MM-DD"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The day, as an instant without a zone."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            written = re.fullmatch(r"\d{4}-\d{2}-\d{2}", str(value), re.ASCII)
            what = f"there is no day {value} in the calendar" if written else f"{value!r} is no day"
            self.fail(f"{what}. Accepted: YYYY-MM-DD, such as 2026-11-13.", param, ctx)


class Days(click.IntRange):
    """A number of days."""

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        if not re.fullmatch(r"\d{1,9}", str(value), re.ASCII):
            self.fail(f"{value!r} is no number of days. Accepted: {self.min} to {self.max}, such as 30.", param, ctx)
        return super().convert(int(value), param, ctx)


class Command(click.Command):
    """A command whose errors show a line that is right."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; a word that is wrong is named, and an example follows."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            example = EXAMPLES.get(self.name or "", "placier --help")
            raise click.UsageError(f"{error.format_message()}\n  → such as: {example}", ctx) from error
