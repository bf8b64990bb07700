"""Files that are made to fill the memory are refused with a sentence, and the memory stays small; large honest ones pass."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from world import COLUMNS, buy, text

from pipeline.content import open_file
from pipeline.records import MAX_RECORDS, check_number, split

from .measured import MIB, Measured, measured

HEADER = ";".join(COLUMNS) + "\n"
LINE = text([buy("T1", "2026-03-01 10:00:00", "anne@exemple.ca")]).splitlines()[1] + "\n"
SMALL = 320.0
"""MiB that suffice for everything that is small, libraries included."""


def bomb(path: Path, fill: bytes, gigabytes: int = 2) -> Path:
    """A compressed file of some KB that begins like a day file and unpacks to gigabytes of `fill`."""
    many = gzip.compress(fill * (16 * MIB // len(fill)), 9, mtime=0)
    path.write_bytes(gzip.compress((HEADER + LINE).encode(), mtime=0) + many * (64 * gigabytes))
    return path


def refused(answer: Measured, *words: str, peak: float = SMALL) -> None:
    """One clear sentence, exit code 1, little memory."""
    assert answer.code == 1, answer.out
    assert answer.out == ""
    assert "Traceback" not in answer.err
    assert len(answer.err) < 1000
    for word in words:
        assert word in answer.err
    assert answer.peak < peak


@pytest.mark.parametrize(
    ("fill", "why"),
    [
        (b"\0", "NUL byte in line 3"),
        (b"a", "line 3 is longer than 1048576 bytes"),
        (b";", "line 3 is longer than 1048576 bytes"),
        (b"\n", "unpacks to more than 250 times its size"),
        (b"x;y\n", "unpacks to more than 250 times its size"),
        (b'"a\nb', "unpacks to more than 250 times its size"),
    ],
)
def test_a_bomb_is_refused_before_it_fills_the_memory(tmp_path: Path, fill: bytes, why: str) -> None:
    path = bomb(tmp_path / "bombe.csv.gz", fill)
    assert path.stat().st_size < 3 * MIB
    refused(measured("check", str(path)), "bombe.csv.gz: ", why, "placier check FILE")


def test_a_file_that_is_compressed_twice_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "deux.csv.gz"
    path.write_bytes(gzip.compress(bomb(tmp_path / "bombe.gz", b"a").read_bytes()))
    refused(measured("check", str(path)), "deux.csv.gz: the file is compressed twice")


@pytest.mark.parametrize(
    ("size", "why"), [(8000 * MIB, "NUL byte in line 1"), (2**40, "the file is larger than 8589934592 bytes")]
)
def test_a_hole_as_large_as_a_disk_is_refused(tmp_path: Path, size: int, why: str) -> None:
    path = tmp_path / "trou.csv"
    with path.open("wb") as file:
        file.truncate(size)
    refused(measured("check", str(path)), "trou.csv: ", why)


def test_a_field_of_a_hundred_megabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "champ.csv"
    path.write_text(HEADER + LINE + LINE.replace("Tremblay", "x" * (100 * MIB)))
    refused(measured("check", str(path)), "champ.csv: line 3 is longer than 1048576 bytes")


def test_a_quoted_value_that_goes_on_for_lines_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "valeur.csv"
    path.write_text(HEADER + LINE + LINE.replace("Tremblay", '"' + "x\n" * (2 * MIB) + '"') + LINE)
    refused(measured("check", str(path)), "valeur.csv: the record of line 3 is longer than 1048576 bytes")


def test_a_quote_that_is_never_closed_is_told_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "guillemet.csv"
    path.write_text(HEADER + LINE + LINE.replace("Tremblay", '"Tremblay') + LINE * 200_000)
    refused(measured("check", str(path)), "guillemet.csv: the file is truncated: the quote opened in line 3", peak=400)


@pytest.mark.parametrize("wide", [HEADER.strip() + ";c" * 200_000, ";" * MIB, ";c" * 5_000])
def test_a_header_without_end_is_refused(tmp_path: Path, wide: str) -> None:
    path = tmp_path / "large.csv"
    path.write_text(wide[:MIB] + "\n" + LINE)
    refused(measured("check", str(path)), "large.csv: the header has ", "columns, accepted: at most 4096")


def test_a_line_of_a_million_values_is_set_aside_and_the_others_go_on(tmp_path: Path) -> None:
    path = tmp_path / "ligne.csv"
    path.write_text(HEADER + LINE + ";" * (MIB - 1) + "\n" + LINE)
    answer = measured("check", str(path), "--json")
    assert answer.code == 3
    assert '"reason": "bad_columns"' in answer.out
    assert '"accepted": 2' in answer.out
    assert answer.peak < SMALL


def test_more_lines_than_anybody_sells_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "lignes.csv"
    path.write_text(HEADER + LINE + "x\n" * 20_000_001)
    refused(measured("check", str(path)), "lignes.csv: it has more than 20000000 lines", peak=1200)


def test_as_many_lines_as_a_file_may_have_are_read(tmp_path: Path) -> None:
    path = tmp_path / "lignes.csv"
    path.write_text(HEADER + "x\n" * MAX_RECORDS)
    content = open_file(path)
    check_number(content, ";")
    assert sum(len(found.starts) for found in split(content, ";")) == MAX_RECORDS


def test_millions_of_blank_lines_cost_nothing(tmp_path: Path) -> None:
    path = tmp_path / "vides.csv"
    path.write_text(HEADER + "\n" * (8 * MIB) + LINE)
    answer = measured("check", str(path), "--json")
    assert (answer.code, '"accepted": 1' in answer.out) == (0, True)
    assert answer.peak < 400


def test_a_history_that_compresses_a_hundred_times_is_honest(tmp_path: Path) -> None:
    path = tmp_path / "histoire.csv.gz"
    wide = LINE.replace("Tremblay", "Théâtre du Quai, la saison " * 20)
    content = (HEADER + "".join(wide.replace("T1", f"T{n}", 1) for n in range(40_000))).encode()
    packed = gzip.compress(content, 6)
    assert len(content) > 20 * MIB
    assert len(content) > 80 * len(packed)
    path.write_bytes(packed)
    answer = measured("check", str(path), "--json")
    assert (answer.code, '"accepted": 40000' in answer.out) == (0, True)


@pytest.mark.parametrize("packed", [False, True])
def test_a_large_history_is_read_in_as_little_memory_as_a_small_one(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "histoire.csv"
    lines = "".join(LINE.replace("T1", f"T{n}", 1).replace("anne@", f"anne{n}@") for n in range(10_000)).encode()
    with gzip.open(path, "wb", 1) if packed else path.open("wb") as file:
        file.write(HEADER.encode())
        for _ in range(40):
            file.write(lines)
    answer = measured("check", str(path), "--json")
    assert (answer.code, '"accepted": 400000' in answer.out) == (0, True)
    assert len(lines) * 40 > 59 * MIB
    assert answer.peak < SMALL


def test_one_wide_character_does_not_multiply_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "masques.csv"
    path.write_text("🎭\n" + ("x" * 1023 + "\n") * (60 * 1024), encoding="utf-8")
    refused(measured("check", str(path)), "masques.csv: required columns are missing")
