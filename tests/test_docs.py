"""The documents say what is: commands, options, keys, modules, dependencies."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import click
import pytest

from pipeline import mapping
from pipeline.cli import main
from pipeline.console.texts import TEXTS
from pipeline.errors import PlacierError
from pipeline.fields import FIELDS
from pipeline.report.sentences import SENTENCES
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


# Pages for people

QUOTED = ("show.py", "said.py")
"""Where the words are that the support guide quotes."""
SUPPORT = [(ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("support.md", "soutien.md")]


def test_every_document_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    lacking = [path.name for path in (ROOT / "docs").glob("*.md") if f"({path.name})" not in index]
    assert lacking == ["README.md"]


def test_every_picture_says_what_it_shows():
    for document in DOCUMENTS:
        for words in re.findall(r"!\[([^\]]*)\]\(", document.read_text(encoding="utf-8")):
            assert len(words.split()) > 4, named(document)


def test_the_support_guide_says_the_same_in_both_languages():
    english, french = SUPPORT
    for pattern in (
        r"^(#+) ",
        r"^\| (\d+|`[^|]*`)",
        r"(`placier [^`]*`)",
        r"^(\$ .*)$",
        r"!\[[^\]]*\]\(([^)]*)-(?:en|fr)\.png\)",
    ):
        one, other = (re.findall(pattern, text, re.MULTILINE) for text in (english, french))
        assert [re.sub(r", le (?:groupe|consentement).*", "", row) for row in other] == [
            re.sub(r", the (?:group|consent).*", "", row) for row in one
        ]


@pytest.mark.parametrize("text", SUPPORT, ids=["English", "French"])
def test_the_support_guide_knows_every_exit_code(text):
    codes = {str(kind.exit_code) for kind in PlacierError.__subclasses__()} | {str(code) for code in EXIT.values()}
    assert codes == set(re.findall(r"^\| (\d+) \|", text, re.MULTILINE))


@pytest.mark.parametrize("text", SUPPORT, ids=["English", "French"])
def test_the_support_guide_quotes_what_the_program_says(text):
    said = "".join((ROOT / "pipeline" / name).read_text(encoding="utf-8") for name in QUOTED)
    quoted = {
        words for words in re.findall(r"(?<!`)`([^`\n]+)`", text) if " " in words and not words.startswith("placier ")
    }
    assert len(quoted) > 5
    for words in quoted:
        assert re.sub(r" …$|(?<=may we write\?).*", "", words) in said, words


@pytest.mark.parametrize(("text", "language"), [(SUPPORT[0], 1), (SUPPORT[1], 0)], ids=["English", "French"])
def test_the_support_guide_quotes_what_the_pages_say(text, language):
    said = {pair[language] for pair in (*SENTENCES.values(), *TEXTS.values())}
    quoted = re.findall(r"(?<!\*)\*([A-Z][^*\n]+)\*(?!\*)", text)
    assert len(quoted) > 4
    assert [words for words in quoted if words not in said] == []


def test_french_is_spaced_as_in_quebec():
    prose = re.sub(r"^```.*?^```|`[^`]*`|<!--.*?-->|^\|[-|]*$", "", SUPPORT[1], flags=re.MULTILINE | re.DOTALL)
    assert re.findall(r".{12}(?: [:»;?!]|« |\u00a0[;?!]|[^\W\d_]:(?!//)).{5}", prose) == []


# Mappings

MAPPINGS = (ROOT / "docs" / "mappings.md").read_text(encoding="utf-8")


def told_keys(title: str) -> dict[str, str]:
    """Key -> second column, of the table under a paragraph; several keys may share a row."""
    table = MAPPINGS.split(f"\n{title}", 1)[1].split("\n\n", 2)[1]
    found = re.findall(r"^\| (.*?) \| (.*?) \|", table, re.MULTILINE)[1:]
    return {key: meaning for keys, meaning in found for key in re.findall(r"`([a-z_0-9]+)`", keys)}


def test_every_key_of_a_mapping_is_told_with_its_default():
    top = {key: field for key, field in mapping.Mapping.model_fields.items() if key not in {"columns", "operation"}}
    told = told_keys("At the top of the file:")
    assert set(told) == set(top)
    for key, field in top.items():
        value = list(field.default) if isinstance(field.default, tuple) else field.default
        assert json.loads(told[key].strip("`")) in (value, value[0] if value and isinstance(value, list) else value)


def test_every_column_and_every_word_of_a_mapping_is_told_and_required_ones_are_bold():
    assert set(told_keys("`[columns]`; ")) == set(mapping.Columns.model_fields)
    bold = set(re.findall(r"\*\*`([a-z_]+)`\*\*", MAPPINGS))
    assert bold == {*mapping._ALWAYS, "tickets", "net_amount", "unit_price"}
    assert set(told_keys("`[operation]`, how a line says what it is:")) >= set(mapping.Operations.model_fields)
    row = next(line for line in MAPPINGS.splitlines() if line.startswith("| `roles`"))
    assert set(mapping.Roles.model_fields) <= set(re.findall(r"`([a-z]+)`", row))
