"""A day file is read as it was meant, whatever its encoding and layout, or refused as a whole; bad lines are set aside."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import mapping, records
from pipeline.content import MAX_LINE, open_file
from pipeline.errors import UntrustedFile
from pipeline.mapping import Mapping
from pipeline.read import read, scan, verify_declared
from pipeline.records import Records
from pipeline.schema import LINES, REJECT_REASONS, Reading, WholeReading

ZONE = ZoneInfo("America/Toronto")
AS_OF = date(2026, 3, 15)
TUXEDO = mapping.load(mapping.find("tuxedo", None))
PURCHASE = {
    "type_operation": "ACHAT",
    "id_reservation": "R-1",
    "date_transaction": "2026-03-14 10:15:00",
    "id_client": "00042",
    "courriel": "amelie@exemple.test",
    "prenom": "Amélie",
    "titre_spectacle": "La Cigale",
    "id_spectacle": "S-7",
    "date_evenement": "2026-04-02 19:30",
    "date_fin_evenement": "",
    "date_creation_client": "",
    "nb_billets": "2",
    "montant_net": "100,00",
}
COLUMNS = list(PURCHASE)
CANCELLATION = PURCHASE | {"type_operation": "ANNULATION"}


def row(base: dict[str, str] = PURCHASE, /, **changes: str) -> str:
    return ";".join((base | changes)[name] for name in COLUMNS)


HEADER = ";".join(COLUMNS)
GOOD = row()
UNCLOSED = row(titre_spectacle='"La Cig')


def read_bytes(
    folder: Path, data: bytes, *, by: Mapping = TUXEDO, role: str = "", business_date: date | None = None
) -> WholeReading:
    path = folder / "jour.csv"
    path.write_bytes(data)
    return read(path, by, ZONE, AS_OF, role=role, business_date=business_date)


def read_lines(
    folder: Path, *lines: str, by: Mapping = TUXEDO, role: str = "", business_date: date | None = None
) -> WholeReading:
    return read_bytes(folder, ("\n".join(lines) + "\n").encode(), by=by, role=role, business_date=business_date)


def reasons(reading: Reading) -> list[tuple[int, str]]:
    return [(reject.line, reject.reason) for reject in reading.rejects]


# Bad lines


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (row(courriel=""), "no_email"),
        (row(courriel=" \u00a0"), "no_email"),
        (row(courriel="amelie"), "bad_email"),
        (row(date_transaction=""), "bad_date"),
        (row(date_transaction="14/03/2026"), "bad_date"),
        (row(date_evenement=""), "bad_date"),
        (row(date_evenement="bientôt"), "bad_date"),
        (row(date_fin_evenement="2026-02-30"), "bad_date"),
        (row(date_creation_client="0000-00-00"), "bad_date"),
        (row(montant_net=""), "bad_amount"),
        (row(montant_net="1,234"), "bad_amount"),
        (row(nb_billets=""), "bad_count"),
        (row(nb_billets="-1"), "bad_count"),
        (row(nb_billets="1,5"), "bad_count"),
        (row(type_operation=""), "bad_operation"),
        (row(type_operation="ÉCHANGE"), "bad_operation"),
        (row(id_reservation=" "), "no_transaction"),
        (row(date_transaction="2026-03-16"), "future_date"),
        (row(date_transaction="2026-03-16T04:00:00Z"), "future_date"),
        (GOOD + ";", "bad_columns"),
        (GOOD.rpartition(";")[0], "bad_columns"),
        (row(CANCELLATION, nb_billets=""), "bad_count"),
        (row(CANCELLATION, date_evenement="x"), "bad_date"),
        (row(CANCELLATION, date_transaction=""), "bad_date"),
        (row(CANCELLATION, id_reservation=""), "no_transaction"),
        (row(CANCELLATION, date_transaction="2026-03-16 00:00"), "future_date"),
    ],
)
def test_a_bad_line_is_set_aside_with_line_reason_and_raw_text_and_the_others_go_on(
    line: str, reason: str, tmp_path: Path
) -> None:
    reading = read_lines(tmp_path, HEADER, GOOD, line, GOOD)
    assert [(reject.line, reject.reason, reject.text) for reject in reading.rejects] == [(3, reason, line)]
    assert reading.lines["line"].to_pylist() == [2, 4]
    assert reading.total == 3


@pytest.mark.parametrize(
    "line",
    [
        row(nb_billets="0", montant_net="0"),
        row(montant_net="-5,00"),
        row(date_transaction="2026-03-15 23:59:59"),
        row(date_transaction="2026-03-16T03:59:59Z"),
        row(CANCELLATION, courriel=""),
        row(CANCELLATION, courriel="pas une adresse", montant_net="n/d"),
        row(CANCELLATION, date_evenement="", montant_net=""),
        row(type_operation=" achat "),
        row(id_client="", prenom="", titre_spectacle="", id_spectacle=""),
    ],
)
def test_a_line_that_is_only_unusual_is_accepted(line: str, tmp_path: Path) -> None:
    reading = read_lines(tmp_path, HEADER, line)
    assert reasons(reading) == []
    assert reading.lines.num_rows == 1
    assert reading.lines.schema.equals(LINES)
    reading.lines.validate(full=True)


BREAKS = {
    "no_email": {"courriel": ""},
    "bad_date": {"date_evenement": "x"},
    "bad_amount": {"montant_net": "x"},
    "bad_count": {"nb_billets": "x"},
    "bad_operation": {"type_operation": "x"},
    "no_transaction": {"id_reservation": ""},
    "future_date": {"date_transaction": "2027-01-01"},
}


@given(st.sets(st.sampled_from(sorted(BREAKS)), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_line_with_several_faults_has_the_first_reason_of_the_list(tmp_path: Path, faults: set[str]) -> None:
    changes = {name: value for fault in faults for name, value in BREAKS[fault].items()}
    assert reasons(read_lines(tmp_path, HEADER, row(**changes))) == [(2, min(faults, key=REJECT_REASONS.index))]


def test_a_cancellation_keeps_no_malformed_address_and_no_amount(tmp_path: Path) -> None:
    line = read_lines(
        tmp_path, HEADER, row(CANCELLATION, courriel="x@@y", montant_net="80,00", date_evenement="")
    ).lines.to_pylist()[0]
    assert (line["operation"], line["email"], line["net_cents"], line["tickets"]) == ("cancellation", None, 0, 2)
    assert (line["performance_start"], line["performance_end_on"]) == (None, None)


def test_ids_stay_texts_and_empty_values_are_null(tmp_path: Path) -> None:
    line = read_lines(tmp_path, HEADER, row(prenom="  ")).lines.to_pylist()[0]
    assert line["contact_id"] == "00042"
    assert line["first_name"] is None
    assert line["company"] is None


def test_the_performance_ends_on_its_local_end_day_else_on_its_start(tmp_path: Path) -> None:
    reading = read_lines(tmp_path, HEADER, GOOD, row(date_fin_evenement="2026-04-04T03:00:00Z"))
    assert reading.lines["performance_end_on"].to_pylist() == [date(2026, 4, 2), date(2026, 4, 3)]
    assert reading.lines["performance_start"].to_pylist() == ["2026-04-02 19:30:00"] * 2


# Line numbers


def test_line_numbers_are_physical_with_quoted_newlines_and_blank_lines(tmp_path: Path) -> None:
    long_title = row(titre_spectacle='"La Cigale\net\r\n\r\nla ""Fourmi"""')
    bad = row(titre_spectacle='"Deux\nlignes"', courriel="")
    reading = read_lines(tmp_path, HEADER, "", long_title, "   ", "", GOOD, bad, GOOD, "", " ")
    assert reading.lines["line"].to_pylist() == [3, 9, 12]
    assert [(reject.line, reject.text) for reject in reading.rejects] == [(10, bad)]
    assert reading.lines["show_title"][0].as_py() == 'La Cigale\net\r\n\r\nla "Fourmi"'
    assert reading.total == 4


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end_will_do_and_the_last_may_lack(end: str, tmp_path: Path) -> None:
    reading = read_bytes(tmp_path, end.join([HEADER, GOOD, row(courriel=""), GOOD]).encode())
    assert reading.lines["line"].to_pylist() == [2, 4]
    assert [(reject.line, reject.text) for reject in reading.rejects] == [(3, row(courriel=""))]


def test_a_quote_inside_an_unquoted_value_is_text(tmp_path: Path) -> None:
    titles = ['Vinyle 12" et 7" réunis', 'Le 5" suite', 'A""B']
    lines = [row(titre_spectacle=title) for title in titles]
    reading = read_lines(tmp_path, HEADER, *lines, row(titre_spectacle='"Entre\nguillemets"'), GOOD)
    assert reading.lines["show_title"].to_pylist() == [*titles, "Entre\nguillemets", "La Cigale"]
    assert reading.lines["line"].to_pylist() == [2, 3, 4, 5, 7]


def test_a_header_below_blank_lines_is_still_the_header(tmp_path: Path) -> None:
    assert read_lines(tmp_path, "", "  ", HEADER, GOOD).lines["line"].to_pylist() == [4]


def test_line_numbers_hold_across_the_blocks_that_a_large_file_is_read_in(tmp_path: Path) -> None:
    wide = row(titre_spectacle='"' + "x" * 2000 + '\n"')
    lines = [wide if place % 3 else row(courriel="") for place in range(12_000)]
    reading = read_lines(tmp_path, HEADER, *lines)
    expected, at = [], 2
    for place in range(12_000):
        expected.append((at, place % 3 == 0))
        at += 2 if place % 3 else 1
    assert [line for line, _ in reasons(reading)] == [line for line, bad in expected if bad]
    assert reading.lines["line"].to_pylist() == [line for line, bad in expected if not bad]


# Files that cannot be trusted


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"\n \r\n\n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (f"{HEADER}\n{GOOD}\n{GOOD[:40]}".encode(), "truncated: the last line, 3, has"),
        (f"{HEADER}\n{GOOD}\n{GOOD[:40]}\n\n  \n".encode(), "truncated: the last line, 3, has"),
        (f"{HEADER}\n{GOOD}\n{UNCLOSED}\n".encode(), "truncated: the quote opened in line 3"),
        (f"{HEADER}\n{GOOD}".encode()[:-5] + b"\xc3", "truncated: it ends inside a character, in line 2"),
        (f"{HEADER}\n{GOOD}\u202f".encode()[:-1], "truncated: it ends inside a character"),
        (f"{HEADER}\n{GOOD}\n".encode("utf-16"), "cannot be decoded: it is UTF-16"),
        (f"{HEADER}\n{GOOD}\n".encode("utf-16-le"), "cannot be decoded: NUL byte in line 1"),
        (f"{HEADER}\n{GOOD}\0\n".encode(), "cannot be decoded: NUL byte in line 2"),
        (f"{HEADER}\n{GOOD}\n".encode("cp1252") + b"\x81\n", "cannot be decoded: byte 0x81 in line 3"),
        (
            f"{HEADER}\n{GOOD}\n".encode("cp1252").replace(b"Cigale", b"Ciga\x9de"),
            "cannot be decoded: byte 0x9D in line 2",
        ),
        (b"\xef\xbb\xbf" + f"{HEADER}\n{GOOD}\n".encode("cp1252"), "cannot be decoded: UTF-8, but line 2"),
        (f"{HEADER}\n{GOOD}\n".encode() + f"{GOOD}\n".encode("cp1252"), "cannot be decoded: UTF-8, but line 3"),
        (gzip.compress(f"{HEADER}\n{GOOD}\n".encode())[:-12], "compressed file is truncated"),
        (gzip.compress(f"{HEADER}\n{GOOD}\n".encode())[:-8] + b"\0" * 8, "compressed file is damaged"),
        (gzip.compress(b"\n" * (80 * 2**20)), "unpacks to more than"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused_and_says_why(data: bytes, why: str, tmp_path: Path) -> None:
    with pytest.raises(UntrustedFile) as caught:
        read_bytes(tmp_path, data)
    assert caught.value.message.startswith("jour.csv: the ")
    assert why in caught.value.message
    assert caught.value.remedy
    assert "amelie" not in caught.value.message


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "jour.csv"
    path.write_text(f"{HEADER}\n{GOOD}\n", encoding="utf-8")

    def grow(block: pa.Table) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{GOOD}\n")

    with pytest.raises(UntrustedFile, match="jour.csv: the file changed while it was read"):
        scan(path, TUXEDO, ZONE, AS_OF, grow)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_how_many_lines_come_is_told_before_the_first_is_taken(end: str, tmp_path: Path) -> None:
    path = tmp_path / "jour.csv"
    path.write_bytes((f"{HEADER}{end}" + f"{GOOD}{end}" * 5000).encode())
    told: list[object] = []
    reading = scan(
        path, TUXEDO, ZONE, AS_OF, lambda block: told.append("taken"), progress=lambda *now: told.append(now)
    )
    assert reading.total == 5000
    assert told[:2] == [(0, 5000), "taken"]


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UntrustedFile, match="cannot be read"):
        read(tmp_path / "absent.csv", TUXEDO, ZONE, AS_OF)


@pytest.mark.parametrize(
    "absent",
    [
        "id_reservation",
        "date_transaction",
        "courriel",
        "titre_spectacle",
        "date_evenement",
        "nb_billets",
        "montant_net",
    ],
)
def test_a_missing_required_column_refuses_the_file_and_is_named(absent: str, tmp_path: Path) -> None:
    with pytest.raises(UntrustedFile, match=f"required column is missing: {absent}; the header has type_operation, "):
        read_lines(tmp_path, HEADER.replace(absent, "autre"), GOOD)


def test_all_missing_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(UntrustedFile, match="columns are missing: courriel, nb_billets;"):
        read_lines(tmp_path, HEADER.replace("nb_billets", "n").replace("courriel", "c"), GOOD)


def test_a_file_without_a_header_is_refused_without_quoting_its_first_buyer(tmp_path: Path) -> None:
    with pytest.raises(UntrustedFile, match="the first line must be a header") as caught:
        read_lines(tmp_path, GOOD, GOOD)
    assert "exemple.test" not in caught.value.message
    assert "Amélie" not in caught.value.message


@pytest.mark.parametrize("role", ["", "transactions", "backfill"])
def test_the_operation_column_is_required_where_the_role_does_not_fix_it(role: str, tmp_path: Path) -> None:
    without = HEADER.replace("type_operation", "autre")
    with pytest.raises(UntrustedFile, match="type_operation"):
        read_lines(tmp_path, without, GOOD, role=role)


@pytest.mark.parametrize(("role", "operation"), [("purchases", "purchase"), ("cancellations", "cancellation")])
def test_the_role_fixes_the_operation_of_a_file_without_the_column(role: str, operation: str, tmp_path: Path) -> None:
    without = HEADER.replace("type_operation", "autre")
    assert read_lines(tmp_path, without, GOOD, role=role).lines["operation"].to_pylist() == [operation]
    assert read_lines(tmp_path, HEADER, GOOD, row(CANCELLATION), role=role).lines["operation"].to_pylist() == [
        "purchase",
        "cancellation",
    ]


def test_a_file_with_none_of_its_business_date_is_refused(tmp_path: Path) -> None:
    day = date(2026, 3, 14)
    other = row(date_transaction="2026-03-13 10:00")
    with pytest.raises(
        UntrustedFile, match="wrong date: none of its lines is of 2026-03-14, they are of 2026-03-12 to 2026-03-13"
    ):
        read_lines(tmp_path, HEADER, other, row(date_transaction="2026-03-12"), business_date=day)
    assert read_lines(tmp_path, HEADER, other, GOOD, business_date=day).total == 2
    assert read_lines(tmp_path, HEADER, row(date_transaction="x"), business_date=day).total == 1
    assert read_lines(tmp_path, HEADER, row(date_transaction="2026-03-15T03:59:00Z"), business_date=day).total == 1
    assert read_lines(tmp_path, HEADER, row(courriel=""), other, business_date=day).total == 2


def test_a_snapshot_is_not_asked_for_its_business_date(tmp_path: Path) -> None:
    snapshot = TUXEDO.model_copy(update={"snapshot": True})
    other = row(date_transaction="2026-03-13 10:00")
    assert read_lines(tmp_path, HEADER, other, by=snapshot, business_date=date(2026, 3, 14)).lines.num_rows == 1


@pytest.mark.parametrize("text", [HEADER, HEADER + "\n", HEADER + "\r\n\r\n", "\ufeff" + HEADER + "\n"])
def test_a_header_alone_is_a_day_without_lines(text: str, tmp_path: Path) -> None:
    reading = read_bytes(tmp_path, text.encode(), business_date=date(2026, 3, 14))
    assert (reading.total, reading.lines.num_rows, reading.rejects) == (0, 0, ())
    assert reading.lines.schema.equals(LINES)


# Layouts


def test_unknown_columns_are_listed_as_written_and_never_kept(tmp_path: Path) -> None:
    header = HEADER + ";No Membre; École ;;No Membre"
    reading = read_lines(tmp_path, header, GOOD + ";M-1;Polyvalente;;M-2")
    assert reading.ignored_columns == ("No Membre", "École")
    assert set(reading.lines.column_names) == set(LINES.names)


def test_the_last_character_of_a_windows_1252_file_may_be_accented(tmp_path: Path) -> None:
    columns = [*COLUMNS, "ville"]
    reading = read_bytes(tmp_path, f"{';'.join(columns)}\n{row(prenom='Ana')};Gaspé".encode("cp1252"))
    assert (reading.encoding, reading.lines["city"].to_pylist()) == ("windows-1252", ["Gaspé"])


def test_compressed_files_are_known_by_their_content_and_not_by_their_name(tmp_path: Path) -> None:
    plain = f"{HEADER}\n{GOOD}\n".encode()
    assert read_bytes(tmp_path, gzip.compress(plain)).lines.equals(read_bytes(tmp_path, plain).lines)
    path = tmp_path / "jour.csv.gz"
    path.write_bytes(plain)
    assert read(path, TUXEDO, ZONE, AS_OF).lines.num_rows == 1


def test_the_second_column_of_a_name_is_addressed_by_its_number(tmp_path: Path) -> None:
    text = """
    [columns]
    transaction_id = "no"
    transaction_at = "date"
    performance_start = "DATE#2"
    email = ["mel", "courriel"]
    show_title = "titre"
    tickets = "nb"
    unit_price = "prix"
    [operation.roles]
    backfill = "purchase"
    """
    path = tmp_path / "m.toml"
    path.write_text(text, encoding="utf-8")
    line = "R-1;2026-03-14;2026-04-02;a@exemple.ca;Nocturne;3;12,50"
    reading = read_lines(tmp_path, "No;Date;date;Courriel;Titre;NB;Prix", line, by=mapping.load(path), role="backfill")
    values = reading.lines.to_pylist()[0]
    assert (values["transaction_on"], values["performance_end_on"]) == (date(2026, 3, 14), date(2026, 4, 2))
    assert (values["tickets"], values["net_cents"]) == (3, 3750)


@dataclass(frozen=True, slots=True)
class Spelling:
    """One way of writing the same table."""

    encoding: str
    delimiter: str
    line_end: str
    quote_all: bool
    upper: bool
    packed: bool
    order: tuple[int, ...]


SPELLINGS = st.builds(
    Spelling,
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "cp1252"]),
    delimiter=st.sampled_from([";", ",", "\t", "|"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    quote_all=st.booleans(),
    upper=st.booleans(),
    packed=st.booleans(),
    order=st.permutations(range(len(COLUMNS))).map(tuple),
)
WORDS = st.text(alphabet="abé ÏÀç;,|\t\"\n'0", max_size=10)
TABLES = st.lists(
    st.fixed_dictionaries(
        {
            "type_operation": st.sampled_from(["ACHAT", "annulation", "?", ""]),
            "id_reservation": st.sampled_from(["R-1", "00012", ""]),
            "date_transaction": st.sampled_from(
                ["2026-03-14", "2026-03-14 02:30", "2026-03-14T12:00:00Z", "2027-01-01", "x"]
            ),
            "id_client": WORDS,
            "courriel": st.sampled_from(["a@exemple.ca", " Zoé@exemple.ca", "b@@c", ""]),
            "prenom": WORDS,
            "titre_spectacle": WORDS,
            "id_spectacle": st.just("S-1"),
            "date_evenement": st.sampled_from(["2026-04-02 19:30", "", "y"]),
            "date_fin_evenement": st.just(""),
            "date_creation_client": st.sampled_from(["", "2020-02-29"]),
            "nb_billets": st.sampled_from(["0", "2,0", "-1"]),
            "montant_net": st.sampled_from(["160,00", "1 234.50", "1,234", ""]),
        }
    ),
    max_size=6,
)


def spelled(table: list[dict[str, str]], spelling: Spelling) -> bytes:
    buffer = io.StringIO()
    quoting: Literal[0, 1] = csv.QUOTE_ALL if spelling.quote_all else csv.QUOTE_MINIMAL
    writer = csv.writer(buffer, delimiter=spelling.delimiter, lineterminator=spelling.line_end, quoting=quoting)
    names = [COLUMNS[place] for place in spelling.order]
    writer.writerow([name.upper() if spelling.upper else name for name in names])
    writer.writerows([line[name] for name in names] for line in table)
    data = buffer.getvalue().encode(spelling.encoding)
    return gzip.compress(data) if spelling.packed else data


@given(TABLES, SPELLINGS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_table_reads_the_same_in_every_encoding_delimiter_quoting_and_column_order(
    tmp_path: Path, table: list[dict[str, str]], spelling: Spelling
) -> None:
    plain = Spelling("utf-8", ";", "\n", quote_all=True, upper=False, packed=False, order=tuple(range(len(COLUMNS))))
    expected = read_bytes(tmp_path, spelled(table, plain))
    found = read_bytes(tmp_path, spelled(table, spelling))
    assert found.lines.equals(expected.lines)
    assert reasons(found) == reasons(expected)
    assert found.total == expected.total == len(table)
    assert found.delimiter == spelling.delimiter
    assert found.ignored_columns == ()


@given(TABLES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_every_accepted_value_is_what_a_plain_csv_reader_finds_on_that_line(
    tmp_path: Path, table: list[dict[str, str]]
) -> None:
    data = spelled(
        table,
        Spelling("utf-8", ";", "\n", quote_all=False, upper=False, packed=False, order=tuple(range(len(COLUMNS)))),
    )
    reader = csv.DictReader(io.StringIO(data.decode(), newline=""), delimiter=";")
    starts, at = {}, 2
    for line in reader:
        starts[at] = line
        at = reader.line_num + 1
    reading = read_bytes(tmp_path, data)
    accepted = {int(line or 0) for line in reading.lines["line"].to_pylist()}
    assert accepted | {reject.line for reject in reading.rejects} == set(starts)
    for found in reading.lines.to_pylist():
        written = starts[found["line"]]
        assert (found["show_title"] or "") == written["titre_spectacle"].strip()
        assert (found["contact_id"] or "") == written["id_client"].strip()
        assert found["transaction_id"] == written["id_reservation"]


PIECES = st.sampled_from(
    [HEADER, GOOD, "\n", "\r\n", "\r", '"', ";", "é", "\ufeff", ",", "\t", "x@", "2026-03-14"]
).map(str.encode)


@given(
    st.one_of(st.binary(max_size=200), st.lists(st.one_of(PIECES, st.binary(max_size=4)), max_size=12).map(b"".join))
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
def test_any_bytes_after_a_header_are_read_or_refused(tmp_path: Path, tail: bytes) -> None:
    for data in (tail, f"{HEADER}\n{GOOD}\n".encode() + tail, b"\x1f\x8b" + tail):
        try:
            reading = read_bytes(tmp_path, data)
        except UntrustedFile as error:
            assert error.message.startswith("jour.csv: ")
        else:
            assert reading.total == reading.lines.num_rows + len(reading.rejects)


# Declared beside the file


def side(folder: Path, name: str, text: str) -> dict[str, Path]:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return {name: path}


CONTENT = "\n".join([HEADER, GOOD, "", row(titre_spectacle='"Deux\nlignes"'), ""]).encode()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("jour.csv.sha256", hashlib.sha256(CONTENT).hexdigest()),
        ("jour.csv.sha256", hashlib.sha256(CONTENT).hexdigest().upper() + " *jour.csv\n"),
        ("jour.csv.sha256", f"{'0' * 64}  autre.csv\n{hashlib.sha256(CONTENT).hexdigest()}  jour.csv\n"),
        ("jour.csv.md5", hashlib.md5(CONTENT, usedforsecurity=False).hexdigest() + "  jour.csv"),
        ("jour.csv.sha512", hashlib.sha512(CONTENT).hexdigest()),
        ("jour.csv.sha1", hashlib.sha1(CONTENT, usedforsecurity=False).hexdigest()),
        ("jour.csv.count", " 2\n"),
        ("jour.csv.lignes", "2"),
        ("jour.csv.txt", "autre chose"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_meets_what_was_declared_is_taken(name: str, text: str, packed: bool, tmp_path: Path) -> None:
    path = tmp_path / "jour.csv"
    path.write_bytes(gzip.compress(CONTENT) if packed else CONTENT)
    verify_declared(path, side(tmp_path, name, text))


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("jour.csv.sha256", "0" * 64, "sha256 is not the one"),
        ("jour.csv.sha256", "", "does not hold a sha256"),
        ("jour.csv.md5", "0" * 32, "truncated or altered"),
        ("jour.csv.md5", "0" * 64, "does not hold a md5"),
        ("jour.csv.count", "3", "truncated: it has 2 data lines, jour.csv.count declares 3"),
        ("jour.csv.lignes", "deux", "does not hold a number"),
    ],
)
def test_a_file_that_does_not_meet_what_was_declared_is_refused(name: str, text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "jour.csv"
    path.write_bytes(CONTENT)
    with pytest.raises(UntrustedFile, match=why):
        verify_declared(path, side(tmp_path, name, text))


UNEVEN = st.lists(
    st.sampled_from(
        [
            GOOD,
            row(CANCELLATION),
            row(courriel="", prenom="Zoé"),
            row(titre_spectacle=f'"La Cigale\net {"encore " * 30}\r\nla ""Fourmi"""'),
            row(titre_spectacle='Vinyle 12"'),
            row(titre_spectacle='5" "', prenom='"Ana'),
            row(prenom="\u00a0Renée", id_client=" 7 "),
            row(date_transaction="2026-03-13T02:30:00Z"),
            GOOD + ";",
            GOOD[:40],
            "x",
            "  ",
            "",
        ]
    ),
    max_size=8,
)


@given(
    UNEVEN,
    st.lists(st.sampled_from(["\n", "\n", "\r\n", "\r"]), min_size=10, max_size=10),
    st.sampled_from(["utf-8", "utf-8-sig", "cp1252"]),
    st.sampled_from([None, date(2026, 3, 14), date(2026, 3, 13)]),
    st.integers(1, 700),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
def test_a_file_reads_the_same_whatever_the_size_of_the_blocks(
    tmp_path: Path, lines: list[str], ends: list[str], encoding: str, day: date | None, size: int
) -> None:
    path = tmp_path / "jour.csv"
    written = ["", HEADER, *lines]
    one_end = ends[:1] * len(written) if len(set(ends[:3])) == 1 else ends  # often, all lines end alike
    text = "".join(line + end for line, end in zip(written, one_end, strict=False))
    path.write_bytes(text[: len(text) - size % 3].encode(encoding))

    def told(block_size: int) -> object:
        taken: list[pa.Table] = []
        try:
            told = scan(path, TUXEDO, ZONE, AS_OF, taken.append, business_date=day, block_size=block_size)
        except UntrustedFile as error:
            return re.sub(r": \d+ by their line ends.*", "", error.message)
        for block in taken:
            block.validate(full=True)
            assert block.schema.equals(LINES)
        return told, [line for block in taken for line in block.to_pylist()]

    assert told(size) == told(records.BLOCK)


def test_a_dictionary_holds_each_text_once_and_never_null(tmp_path: Path) -> None:
    names = ["La Cigale", " La Cigale", "", "La Cigale ", "Nocturne"]
    reading = read_lines(tmp_path, HEADER, *(row(titre_spectacle=name) for name in names))
    [block] = reading.lines.column("show_title").chunks
    assert block.dictionary.to_pylist() == ["La Cigale", "Nocturne"]
    assert block.to_pylist() == ["La Cigale", "La Cigale", None, "La Cigale", "Nocturne"]


def cut(folder: Path, data: bytes, size: int = records.BLOCK) -> list[Records]:
    """The records after the header of this text, block by block."""
    path = folder / "jour.csv"
    path.write_bytes(data)
    cutter = records.Cutter(open_file(path), ";", size)
    cutter.skip_header()
    return list(cutter.rest())


def lines_of(found: list[Records]) -> list[int]:
    return [line for block in found for line in block.lines.tolist()]


def starts_of(found: list[Records]) -> list[int]:
    return [block.offset + start for block in found for start in block.starts.tolist()]


@given(st.text(alphabet='a;"\n\r', max_size=30), st.integers(1, 40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_records_start_where_a_csv_reader_starts_them(tmp_path: Path, text: str, size: int) -> None:
    try:
        found = cut(tmp_path, ("h\n" + text).encode(), size)
    except UntrustedFile:
        return
    rows = [row for row in csv.reader(io.StringIO("h\n" + text, newline=""), delimiter=";") if row]
    assert len(rows) == len(starts_of(found)) + 1


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", ["2", 'un "mot" ici'])
def test_quotes_hold_across_the_blocks_of_a_large_file(end: str, last: str, tmp_path: Path) -> None:
    one = f'1;"{f"""{"a" * 39}{end}""" * 49}""b";{last}{end}'  # nearly every line end stands inside quotes
    data = (f"h{end}" + one * 4_000).encode()
    found = cut(tmp_path, data)
    assert len(data) > 7 * MAX_LINE
    assert starts_of(found) == list(range(1 + len(end), len(data), len(one)))
    assert lines_of(found) == list(range(2, 2 + 4_000 * 50, 50))
    assert found[-1].text(len(found[-1].starts) - 1) == one.removesuffix(end)


def test_a_block_never_ends_between_cr_and_lf(tmp_path: Path) -> None:
    halves = (b"a" * 1023 + b"\r") * 4096, b"\nb\rc"  # the first block would end with the CR
    assert len(halves[0]) == records.BLOCK
    assert lines_of(cut(tmp_path, b"".join(halves))) == list(range(2, 4096 + 3))


def test_a_price_times_a_count_that_fits_nowhere_is_bad(tmp_path: Path) -> None:
    columns = TUXEDO.columns.model_copy(update={"net_amount": (), "unit_price": ("montant_net",)})
    by = TUXEDO.model_copy(update={"columns": columns})
    most = row(nb_billets="999999999", montant_net="9999999999,99")
    reading = read_lines(tmp_path, HEADER, most, row(nb_billets="3", montant_net="-50,01"), by=by)
    assert reasons(reading) == [(2, "bad_amount")]
    assert reading.lines["net_cents"].to_pylist() == [-15003]


def test_ids_too_long_for_an_index_are_shortened_and_stay_apart(tmp_path: Path) -> None:
    fits, long = "R" * 255, "R" * 256
    lines = [row(id_reservation=one, id_client=one) for one in (fits, f"{long}1", f"{long}2", f"{long}1")]
    reading = read_lines(tmp_path, HEADER, *lines)
    for column in ("transaction_id", "contact_id"):
        first, second, third, fourth = reading.lines[column].to_pylist()
        assert first == fits
        assert len(second) == len(third) == 255
        assert second == fourth != third
