"""Import files opened in a spreadsheet: whatever it takes for a separator, no cell is a formula; texts survive."""

from __future__ import annotations

import csv
import io
import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.config import CsvPlatform as Configured
from pipeline.platforms import Batch, Person
from pipeline.platforms.csv import CsvPlatform

NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?")
evil = st.text(st.sampled_from("=+-@＝;\t\r\n\"' ,|a1(\u200b\ufeff"), min_size=1, max_size=12)


def exported(folder: Path, dialect: str, text: str, number: int) -> list[bytes]:
    """Every file that a platform of this dialect writes of a person and a group whose texts are all `text`."""
    label = f"r{number}"
    platform = CsvPlatform(Configured(kind="csv", path="x", dialect=dialect), folder / label, label)
    group = platform.create_group(text)
    values = {key: text for key in ("first_name", "last_name", "company", "postal_code", "phone", "show_title")}
    person = Person("zoe@exemple.test", date(2026, 3, 1), text, values, language="fr_ca")
    platform.upsert(Batch((group.id,), (person,)))
    platform.leave("zoe@exemple.test", group.id)
    platform.close()
    return [path.read_bytes() for path in sorted((folder / label).glob("*.csv"))]


def cells(content: bytes, delimiter: str) -> list[str]:
    """As a spreadsheet whose list separator is `delimiter` opens the file: blanks and quotes before a formula hide nothing."""
    text = content.decode("utf-8-sig").replace("\0", "")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    found = [cell for row in rows for cell in row]
    if delimiter != ",":  # quotes then stand in the middle of cells, and line ends inside them end rows
        found += [cell for line in re.split(r"[\r\n]", text) for cell in line.split(delimiter)]
    return [cell.lstrip(' \t\r\n"\u200b\ufeff') for cell in found]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(text=evil, dialect=st.sampled_from(["cyberimpact", "mailchimp"]), delimiter=st.sampled_from(",;\t"))
@example(text="\ufeff\u200b=1", dialect="mailchimp", delimiter=",")
@example(text="a;\n=1;", dialect="mailchimp", delimiter=";")
def test_no_cell_is_a_formula_in_any_spreadsheet(tmp_path: Path, text: str, dialect: str, delimiter: str) -> None:
    for content in exported(tmp_path, dialect, text, len(list(tmp_path.iterdir()))):
        for cell in cells(content, delimiter):
            assert not cell.startswith(("=", "+", "-", "@", "＝")) or NUMBER.fullmatch(cell.strip()), cell


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("-30 rue", "'-30 rue"),
        ("+1 514 555-1234", "'+1 514 555-1234"),
        ("+15145551234", "+15145551234"),
        ("-12,50", "-12,50"),
        ("@lias", "'@lias"),
        ("Jean-Paul; 3 + 4", "Jean-Paul; 3 + 4"),
        ("Les 3-4 ans", "Les 3-4 ans"),
        ("L'été", "L'été"),
        (' "=1+1"', '\' "=1+1"'),
        ("Songe;=1+1;", "Songe;'=1+1;"),
    ],
)
def test_texts_survive_but_for_an_apostrophe(tmp_path: Path, text: str, shown: str) -> None:
    _, content = sorted(exported(tmp_path, "mailchimp", text, 0), key=len)
    (row,) = csv.DictReader(io.StringIO(content.decode(), newline=""))
    assert row["Company"] == shown


def test_a_tag_that_is_a_formula_is_still_one_tag(tmp_path: Path) -> None:
    _, content = sorted(exported(tmp_path, "mailchimp", "=Cyrano, le retour", 0), key=len)
    (row,) = csv.DictReader(io.StringIO(content.decode(), newline=""))
    assert row["Tags"] == '"\'=Cyrano, le retour"'


def test_a_title_forges_no_line_of_the_instructions(tmp_path: Path) -> None:
    exported(tmp_path, "cyberimpact", "Songe\nautre.csv : à supprimer\u202e", 0)
    (notes,) = (tmp_path / "r0").glob("*LISEZ-MOI.txt")
    lines = notes.read_text(encoding="utf-8").split("\n")
    assert [line.partition(" : ")[0] for line in lines if line] == ["r0_import_g1.csv", "r0_retraits_1.csv"]
    assert "\u202e" not in notes.read_text(encoding="utf-8")
