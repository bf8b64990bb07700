"""A run in plain sentences: what happened, whether all is well, and what to do next with which command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from babel.lists import format_list

from pipeline.fields import PERSONAL
from pipeline.plan import RESEND
from pipeline.report.story import Story
from pipeline.report.words import Words

TONES = {"done": "good", "partial": "warn", "held": "warn", "missing": "warn", "failed": "bad"}
CHANGED = " changed"


@dataclass(frozen=True, slots=True)
class Step:
    """What to do: why, and the commands to type."""

    why: str
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """A run at a glance: `verdict` says whether all is well, `facts` what happened, `steps` what to do."""

    tone: str
    verdict: str
    facts: tuple[str, ...]
    steps: tuple[Step, ...]


def tone(status: str) -> str:
    """How a status looks: good, warn, bad, or plain."""
    return TONES.get(status, "plain")


def summary(told: Story, words: Words) -> Summary:
    """The run at a glance."""
    return Summary(tone(told.status), " ".join(_verdicts(told, words)), tuple(_facts(told, words)), _steps(told, words))


def _verdicts(told: Story, words: Words) -> list[str]:
    said = []
    if told.status == "failed":
        known = f"trouble.{told.trouble}" in words.table
        said.append(words.say(f"trouble.{told.trouble}" if known else "trouble.other"))
    elif told.status == "partial":
        said += [words.say("sum.refused", n=told.refused)] if told.refused else []
        said += [words.say("sum.blocked", n=len(told.blocked))] if told.blocked else []
    elif told.status == "done" and told.rejected:
        said.append(words.say("sum.done_aside", n=told.rejected))
    else:
        known = f"sum.{told.status}" in words.table
        said.append(words.say(f"sum.{told.status}") if known else told.status)
    if told.came_back:
        said.append(words.say("sum.came_back", n=told.came_back))
    return said


def _facts(told: Story, words: Words) -> list[str]:
    facts = []
    if told.files:
        files = words.say("sum.files", n=len(told.files))
        lines, aside = sum(file.lines for file in told.files), sum(file.rejected for file in told.files)
        if lines:
            left = words.say("sum.aside", n=aside) if aside else words.say("sum.no_aside")
            facts.append(words.say("sum.received", files=files, lines=words.say("sum.lines", n=lines), aside=left))
        else:
            facts.append(words.say("sum.empty", files=files))
    done = told.pushed
    counted = {
        "created": done.contacts_created,
        "updated": done.contacts_updated,
        "groups": done.groups_created,
        "joins": done.joins,
        "leaves": done.leaves,
    }
    parts = [words.say(f"sum.{what}", n=count) for what, count in counted.items() if count]
    if parts:
        facts.append(words.say("sum.pushed", what=format_list(parts, locale=words.locale)))
    elif told.status in {"done", "partial", "held", "missing"}:
        facts.append(words.say("sum.nothing"))
    return facts


def _steps(told: Story, words: Words) -> tuple[Step, ...]:
    account = told.account
    day = f" --date {told.date}" if told.date is not None else ""
    steps = []
    if told.status == "missing":
        steps.append(Step(words.say("do.run"), (f"placier run {account}{day}",)))
    elif told.trouble == "UsageError":
        steps.append(Step(words.say("do.doctor"), (f"placier doctor {account}",)))
    elif told.trouble == "UntrustedFile" and told.date is not None and told.kind != "backfill":
        steps.append(Step(words.say("do.refetch"), (f"placier replay {account} {told.date} --refetch",)))
    elif told.status == "failed":
        command = f"placier run {account}{day}" if told.kind == "run" else f"placier {told.kind} {account}"
        if told.kind in {"run", "push"} and told.trouble != "Defect":
            steps.append(Step(words.say("do.again"), (command,)))
        steps.append(Step(words.say("do.status"), (f"placier status {account}",)))
    if told.waiting:
        runs = dict.fromkeys(each.run_id for each in told.waiting if each.run_id)
        commands = tuple(f"placier approve {account} {run}" for run in runs)
        if commands:
            steps.append(Step(words.say("do.approve"), commands))
        else:
            steps.append(Step(words.say("do.status"), (f"placier status {account}",)))
    if told.refused:
        steps.append(Step(words.say("do.why"), (f"placier why {account} …@…",)))
    if told.came_back:
        steps.append(Step(words.say("do.status"), (f"placier status {account}",)))
    return tuple(steps)


def reasons(given: Sequence[str], leaves: Sequence[str], words: Words) -> list[str]:
    """Why a contact changed: `given` by the plan, its fields gathered; why it `leaves` groups; or for a group alone."""
    fields = [reason.removesuffix(CHANGED) for reason in given if reason.endswith(CHANGED)]
    said = [words.name("reason", reason) for reason in given if not reason.endswith(CHANGED) and reason != RESEND]
    if any(field not in PERSONAL for field in fields):
        said.append(words.say("reason.purchase"))
    personal = [words.name("field", field).lower() for field in fields if field in PERSONAL]
    if personal:
        said.append(words.say("reason.person", names=format_list(personal, locale=words.locale)))
    if RESEND in given:
        said.append(words.name("reason", RESEND))
    said += [words.name("reason", reason) for reason in dict.fromkeys(leaves)]
    return said or [words.say("reason.joins")]
