"""A mapping file says what it may, is refused with all its faults at once, and its fixtures read as they must."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pipeline import mapping, read
from pipeline.errors import UntrustedFile, UsageError
from pipeline.schema import WholeReading

FIXTURES = Path(__file__).parent.parent / "fixtures" / "mappings"
ZONE = ZoneInfo("America/Toronto")
SMALLEST = """
[columns]
transaction_id = "id"
transaction_at = "quand"
email = "courriel"
show_title = "titre"
performance_start = "debut"
tickets = "nombre"
net_amount = "montant"
[operation]
column = "operation"
purchase = "ACHAT"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "essai.toml"
    path.write_text(text, encoding="utf-8")
    return path


def as_json(reading: WholeReading) -> dict[str, object]:
    """A reading as the goldens hold it: values that are there only, dates and instants as texts."""
    lines = [{key: value for key, value in line.items() if value is not None} for line in reading.lines.to_pylist()]
    return {
        "encoding": reading.encoding,
        "delimiter": reading.delimiter,
        "total": reading.total,
        "ignored_columns": list(reading.ignored_columns),
        "lines": json.loads(json.dumps(lines, default=str)),
        "rejects": [[reject.line, reject.reason, reject.text] for reject in reading.rejects],
    }


GOLDENS = [
    (folder.name, name)
    for folder in sorted(path for path in FIXTURES.iterdir() if path.is_dir())
    for name in json.loads((folder / "expected.json").read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("name", "file"), GOLDENS)
def test_each_fixture_reads_as_its_golden_says(name: str, file: str) -> None:
    expected = json.loads((FIXTURES / name / "expected.json").read_text(encoding="utf-8"))[file]
    chosen = mapping.load(mapping.find(name, None))
    business_date = date.fromisoformat(expected["business_date"]) if expected.get("business_date") else None
    try:
        reading = read.read(
            FIXTURES / name / file,
            chosen,
            ZONE,
            date.fromisoformat(expected["as_of"]),
            role=expected["role"],
            business_date=business_date,
        )
    except UntrustedFile as error:
        assert error.message == expected["refused"]
    else:
        assert as_json(reading) == expected["reading"]


def test_every_input_among_the_fixtures_has_a_golden() -> None:
    inputs = {(path.parent.name, path.name) for path in FIXTURES.glob("*/*") if path.name != "expected.json"}
    assert inputs == set(GOLDENS)


@pytest.mark.parametrize("name", ["tuxedo", "guichet"])
def test_the_shipped_mappings_are_right(name: str) -> None:
    assert mapping.load(mapping.find(name, None)).title


def test_a_mapping_beside_the_configuration_comes_before_the_shipped_one(tmp_path: Path) -> None:
    own = tmp_path / "mappings"
    own.mkdir()
    (own / "tuxedo.toml").write_text(SMALLEST, encoding="utf-8")
    assert mapping.find("tuxedo", tmp_path / "config") == own / "tuxedo.toml"
    assert mapping.find("guichet", tmp_path / "config") != own / "guichet.toml"


@pytest.mark.parametrize("name", ["absent", "../tuxedo", "", "tuxedo.toml", "/etc/passwd"])
def test_an_unknown_mapping_is_a_usage_error_that_lists_those_that_exist(name: str, tmp_path: Path) -> None:
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "autre.toml").write_text(SMALLEST, encoding="utf-8")
    with pytest.raises(UsageError, match="autre, guichet, tuxedo"):
        mapping.find(name, tmp_path / "config")


def test_all_faults_of_a_file_are_told_at_once_with_file_key_and_accepted_values(tmp_path: Path) -> None:
    text = """
decimal = "virgule"
zone = "x"
dates = ["JJ/MM/AAAA"]
snapshot = "oui"
[columns]
courriel = "Courriel"
email = 3
[operation]
column = "x"
roles = {purchases = "achat"}
"""
    with pytest.raises(UsageError) as caught:
        mapping.load(written(tmp_path, text))
    message = caught.value.message
    assert str(tmp_path / "essai.toml") in message
    for part in (
        "decimal: accepted: 'auto', 'comma' or 'point'",
        "unknown key zone; accepted here: columns, dates",
        "dates.0: accepted: 'iso', 'DD/MM/YYYY'",
        "snapshot: accepted: true or false",
        "unknown key columns.courriel; accepted here: city",
        "columns.email: accepted: a text or a list of texts",
        "operation.roles.purchases: accepted: 'purchase' or 'cancellation'",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('email = "courriel"', ""), "columns.email is missing"),
        (('tickets = "nombre"', ""), "columns.tickets: accepted"),
        (("[columns]", "one_ticket_per_line = true\n[columns]"), "columns.tickets: accepted"),
        (('net_amount = "montant"', ""), "columns.net_amount: accepted"),
        (('net_amount = "montant"', 'net_amount = "montant"\nunit_price = "prix"'), "columns.net_amount: accepted"),
        (("[operation]", 'performance_end_time = "h"\n[operation]'), "columns.performance_end_time: accepted"),
        (('column = "operation"', ""), "operation.column is missing"),
        (('purchase = "ACHAT"', ""), "operation.purchase is missing"),
        (('purchase = "ACHAT"', 'purchase = "ACHAT"\nignore = ["Achat"]'), "operation: a word"),
        (('column = "operation"\npurchase = "ACHAT"', ""), "operation: accepted: a column"),
        (("[columns]", 'dates = ["DD/MM/YYYY", "MM/DD/YYYY"]\n[columns]'), "dates: accepted"),
        (("[columns]", 'required = "city"\n[columns]'), "columns.city is missing"),
        (("[columns]", "[columns"), "essai.toml"),
        (("[columns]", "[colonnes]"), "columns is missing"),
        (('email = "courriel"', 'email = " "'), "columns.email.0: accepted: a text that is not blank"),
    ],
)
def test_a_mapping_that_contradicts_itself_is_refused(change: tuple[str, str], told: str, tmp_path: Path) -> None:
    assert change[0] in SMALLEST
    with pytest.raises(UsageError) as caught:
        mapping.load(written(tmp_path, SMALLEST.replace(*change)))
    assert told in caught.value.message


def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        mapping.load(tmp_path / "absent.toml")


def test_the_fingerprint_follows_the_content_and_not_the_spelling(tmp_path: Path) -> None:
    first = mapping.load(written(tmp_path, SMALLEST)).fingerprint
    same = mapping.load(
        written(tmp_path, "# une note\nsnapshot = false\n" + SMALLEST.replace('"id"', '["id"]'))
    ).fingerprint
    other = mapping.load(written(tmp_path, SMALLEST.replace('"id"', '"no"'))).fingerprint
    assert first == same
    assert first != other


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Prénom", "prenom"),
        ("  NB  Billets ", "nb billets"),
        ("\ufeffÉVÉNEMENT", "evenement"),
        ("Date\u00a0de vente", "date de vente"),
    ],
)
def test_names_are_compared_without_case_accents_and_surrounding_blanks(left: str, right: str) -> None:
    assert mapping.normalise(left) == mapping.normalise(right)


DOCUMENT = (Path(__file__).parent.parent / "docs" / "mappings.md").read_text(encoding="utf-8")


def test_the_smallest_mapping_of_the_document_is_right(tmp_path: Path) -> None:
    example = DOCUMENT.split("```toml\n")[1].split("```")[0]
    assert mapping.load(written(tmp_path, example)).columns.of("email") == ("courriel",)


@pytest.mark.parametrize("section", [mapping.Mapping, mapping.Columns, mapping.Operations, mapping.Roles])
def test_every_key_is_in_the_document(section: type[mapping.Section]) -> None:
    assert [key for key in section.model_fields if f"`{key}`" not in DOCUMENT and f"[{key}]" not in DOCUMENT] == []
