"""The documents say what is: commands, options, keys, modules, dependencies."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import click
import pytest

from pipeline.cli import main
from pipeline.errors import PlacierError
from pipeline.fields import FIELDS
from pipeline.run import EXIT

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    path
    for path in [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "cron").glob("*.md"),
    ]
)
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# Commands


def examples(text: str) -> Iterator[str]:
    """The lines that a reader types after a `$` in console blocks."""
    for block in re.findall(r"^ *```console\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        yield from re.findall(r"^ *\$ (.*)$", block, re.MULTILINE)


def mentions(text: str) -> Iterator[str]:
    """Whatever stands between backticks and begins with the program's name."""
    yield from re.findall(r"`(placier [a-z][^`\n]*)`", text)


def parse(words: list[str]) -> None:
    """Parse a command line as the program would, without doing anything."""
    with click.Context(main) as context:
        name, command, rest = main.resolve_command(context, words)
        assert command is not None
        with command.make_context(name or "", rest, parent=context):
            pass


PLACIER_EXAMPLES = [
    line for line in chain.from_iterable(examples(p.read_text()) for p in DOCUMENTS) if "placier" in line
]


@pytest.mark.parametrize("line", [line for line in PLACIER_EXAMPLES if line.startswith("placier ")])
def test_every_console_example_is_a_command_line_of_the_program(line):
    parse(shlex.split(line)[1:])


def test_readme_shows_examples():
    assert len(list(examples(README))) > 15


@pytest.mark.parametrize(
    "line", ["placier nights", "placier run --tomorrow", "placier why demo", "placier run --date soon"]
)
def test_an_example_that_the_program_would_refuse_is_noticed(line):
    with pytest.raises(click.UsageError):
        parse(shlex.split(line)[1:])


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_command_and_option_that_a_document_mentions_exists(document):
    for mention in mentions(document.read_text(encoding="utf-8")):
        name = mention.split()[1]
        assert name in main.commands, mention
        known = {option for parameter in main.commands[name].params for option in parameter.opts} | {"--help"}
        assert set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", mention)) <= known, mention


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_has_help_and_is_in_the_readme_with_its_options(name):
    command = main.commands[name]
    assert command.help
    row = re.search(rf"^\| `placier {name}\b([^`]*)` \| \S", README, re.MULTILINE)
    assert row is not None, f"the table of commands in README.md lacks `placier {name}`"
    common = {"--config", "--json", "--log-format", "-v"}
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert all(option.help for option in options)
    wanted = {name for option in options for name in option.opts} - common
    assert wanted == set(re.findall(r"--[a-z-]+", row.group(1)))


@pytest.mark.parametrize("target", ["demo", "test", "check", "fix", "bench", "mutants", "reference"])
def test_every_make_target_that_is_told_exists(target):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert f"make {target}" in README + CONTRIBUTING


RELIABILITY = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
PROMISES = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \| `(make [^`]+)` \|$", RELIABILITY, re.MULTILINE)


def test_every_promise_has_its_test_its_figure_and_its_command():
    table = RELIABILITY.split("|---|---|---|---|\n", 1)[1].split("\n\n", 1)[0]
    assert len(PROMISES) == len(table.splitlines()) > 15


@pytest.mark.parametrize("command", [promise[-1] for promise in PROMISES])
def test_every_promise_is_shown_by_a_target_and_tests_that_exist(command):
    _, target, *rest = shlex.split(command)
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for words in (shlex.split(word.removeprefix("TESTS=")) for word in rest):
        paths = [ROOT / word for word in words if word.startswith("tests/")]
        assert paths
        files = [file for path in paths for file in (path.rglob("test_*.py") if path.is_dir() else [path])]
        names = " ".join(re.findall(r"def (test_\w+)", "".join(file.read_text(encoding="utf-8") for file in files)))
        assert names
        chosen = words[words.index("-k") + 1].split(" or ") if "-k" in words else []
        assert [word for word in chosen if word not in names and not word.isdigit()] == []


def test_every_exit_code_is_told():
    codes = {str(kind.exit_code) for kind in PlacierError.__subclasses__()} | {str(code) for code in EXIT.values()}
    assert codes <= set(re.findall(r"^\| (\d+) \|", README, re.MULTILINE))


def test_every_link_to_a_file_leads_somewhere():
    for document in [*DOCUMENTS, *(ROOT / "benchmarks").glob("*.md"), ROOT / "CHANGELOG.md"]:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            assert "://" in target or (document.parent / target).exists(), f"{named(document)}: {target}"


def test_every_link_inside_the_readme_leads_to_a_heading():
    headings = {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= headings


# Configuration


@pytest.mark.parametrize("text", [README, CONFIGURATION], ids=["README", "configuration"])
def test_the_seventeen_fields_are_told_with_name_and_type(text):
    for field in FIELDS:
        assert f"| `{field.key}` | {field.name} | {field.type} |" in text


# The house


def test_every_module_has_its_line_in_contributing():
    package = ROOT / "pipeline"
    modules = {path.relative_to(package).as_posix() for path in package.rglob("*.py") if path.name != "__init__.py"}
    ours = {module for module in modules if "/migrations/" not in module}
    told = set(re.findall(r"^\| `([\w/]+\.py)` \|", CONTRIBUTING, re.MULTILINE))
    assert told == ours


def test_every_dependency_has_its_reason_in_contributing():
    lists = [
        PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"].values(),
        *PROJECT["dependency-groups"].values(),
    ]
    wanted = {re.split(r"[\[><=;~ ]", item)[0] for item in chain.from_iterable(lists)}
    table = CONTRIBUTING.split("## Dependencies", 1)[1].split("\n## ", 1)[0]
    told = {name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)}
    assert told == wanted


def test_every_dependency_is_pinned_with_hashes():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = re.split(r"\n(?=[a-z])", lock.strip())
    assert all(re.match(r"[a-z0-9-]+==\S+", pin) and "--hash=sha256:" in pin for pin in pins)
    assert "://" not in lock


def test_changelog_tells_of_the_present_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## {PROJECT['project']['version']}" in changelog
