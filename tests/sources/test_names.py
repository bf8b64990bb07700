"""Which names are day files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.names import matching, offered, plain, side_files

DAY = "Theatre-du-Quai_achats_20260314.csv"


def test_a_day_file_is_found_as_it_is_and_compressed() -> None:
    listed = [DAY, f"{DAY}.gz", f"{DAY}.bak", f"x{DAY}", DAY.upper(), f"{DAY}.gz.gz"]
    assert matching(listed, DAY) == [DAY, f"{DAY}.gz"]


def test_a_compressed_pattern_does_not_mean_a_file_compressed_twice() -> None:
    assert matching([DAY, f"{DAY}.gz", f"{DAY}.gz.gz"], f"{DAY}.gz") == [f"{DAY}.gz"]


def test_the_backfill_pattern_takes_wildcards_and_compressed_files() -> None:
    listed = ["Quai_historique.csv", "Quai_historique_2.csv.gz", "Quai_historique_3.csv.md5", "Autre_historique.csv"]
    assert matching(listed, "Quai_historique*.csv") == ["Quai_historique.csv", "Quai_historique_2.csv.gz"]
    assert matching(["a1.csv", "a22.csv"], "a?.csv") == ["a1.csv"]


def test_a_wildcard_never_means_the_side_files() -> None:
    listed = ["h_1.csv", "h_1.csv.SHA256", "h_1.csv.md5", "h_1.csv.count", "h_1.csv.lignes"]
    assert matching(listed, "h_*") == ["h_1.csv"]


@pytest.mark.parametrize("pattern", ["a[12].csv", "a+.csv", "a.csv|b", "(a).csv"])
def test_only_star_and_question_mark_are_special(pattern: str) -> None:
    assert matching([pattern, "a1.csv", "aa.csv", "a.csv"], pattern) == [pattern]


@pytest.mark.parametrize("pattern", ["../a.csv", "depot/a.csv", "depot\\a.csv", "*/a.csv"])
def test_a_pattern_is_never_a_path(pattern: str) -> None:
    assert matching(["a.csv", pattern], pattern) == []


def test_accents_match_however_they_are_composed() -> None:
    assert matching(["The\u0301a\u0302tre.csv"], "Théâtre.csv") == ["The\u0301a\u0302tre.csv"]


@pytest.mark.parametrize("name", ["a.part", "a.PART", "a.tmp", "a.csv.Tmp"])
def test_files_still_being_written_are_not_offered(name: str) -> None:
    assert offered([name, "a.csv"]) == ["a.csv"]
    assert matching([name, "a.csv"], "a*") == ["a.csv"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        ".cache",
        "a/b",
        "/etc/passwd",
        "a\\b",
        "..\\a",
        "a..csv",
        "a\nb",
        "a\x00",
        "a\x7f",
        "\udce9t\udce9",
    ]
    + ["a\u202ecsv", "x" * 256, "é" * 128],
)
def test_a_name_that_is_no_plain_name_is_not_offered(name: str) -> None:
    assert not plain(name)
    assert offered([name]) == []


def test_side_files_are_those_named_after_the_file() -> None:
    listed = ["a.csv", "a.csv.sha256", "a.csv.LIGNES", "a.csv.gz", "a.csv.gz.md5", "b.csv.count", "a.csv.sha256.part"]
    assert side_files(listed, "a.csv") == ["a.csv.LIGNES", "a.csv.sha256"]
    assert side_files(listed, "a.csv.gz") == ["a.csv.gz.md5"]


@given(st.lists(st.text()), st.text())
def test_whatever_a_server_lists_stays_in_the_folder(listed: list[str], pattern: str) -> None:
    folder = Path("/depot")
    for name in offered(listed):
        assert (folder / name).parent == folder
        assert Path(f"/depot/{name}").name == name
    assert set(matching(listed, pattern)) <= set(offered(listed))


@given(st.text(st.characters(exclude_characters="*?")))
def test_every_offered_name_matches_itself(name: str) -> None:
    assert matching([name], name) == offered([name])
