"""The folder as a source."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pipeline.errors import SourceError, StateError, UntrustedFile
from pipeline.sources import Source
from pipeline.sources.folder import FolderSource

CONTENT = b"courriel;nb_billets\nalice.tremblay@exemple.test;2\n"


def no_pause(seconds: float) -> None:
    """Nobody writes here: no need to wait."""


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    path = tmp_path / "depot"
    path.mkdir()
    (path / "jour.csv").write_bytes(CONTENT)
    return path


def test_only_regular_finished_files_are_listed(shelf: Path) -> None:
    (shelf / "lien.csv").symlink_to(shelf / "jour.csv")
    (shelf / "dossier.csv").mkdir()
    os.mkfifo(shelf / "tube.csv")
    for name in ("b.csv.part", "b.TMP", ".cache", "a.csv"):
        (shelf / name).write_bytes(b"")
    source: Source = FolderSource(shelf)
    assert source.names() == ["a.csv", "jour.csv"]


def test_a_file_comes_whole_and_private(shelf: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    source = FolderSource(shelf, progress=lambda done, whole: told.append((done, whole)), sleep=no_pause)
    fetched = source.fetch("jour.csv", tmp_path / "arrivals")
    source.close()
    assert (fetched.name, fetched.path) == ("jour.csv", tmp_path / "arrivals" / "jour.csv")
    assert fetched.path.read_bytes() == CONTENT
    assert stat.S_IMODE(fetched.path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path / "arrivals") == ["jour.csv"]
    assert told == [(len(CONTENT), len(CONTENT))]


def test_a_file_that_is_empty_comes_empty(shelf: Path, tmp_path: Path) -> None:
    (shelf / "vide.csv").touch()
    assert FolderSource(shelf, sleep=no_pause).fetch("vide.csv", tmp_path).path.read_bytes() == b""


def test_a_file_of_before_is_replaced_and_its_leftover_too(shelf: Path, tmp_path: Path) -> None:
    (tmp_path / "jour.csv").write_bytes(b"old")
    (tmp_path / "jour.csv.part").write_bytes(b"left over, and longer than what comes" * 10)
    assert FolderSource(shelf, sleep=no_pause).fetch("jour.csv", tmp_path).path.read_bytes() == CONTENT


def test_a_file_that_grows_while_it_settles_is_refused(shelf: Path, tmp_path: Path) -> None:
    def grow(seconds: float) -> None:
        assert seconds > 0
        with (shelf / "jour.csv").open("ab") as file:
            file.write(b"more\n")

    with pytest.raises(UntrustedFile, match="size is still changing"):
        FolderSource(shelf, sleep=grow).fetch("jour.csv", tmp_path / "arrivals")
    assert not list((tmp_path / "arrivals").glob("*"))


@pytest.mark.parametrize("change", ["grow", "shrink", "replace"])
def test_a_file_that_changes_while_it_is_copied_is_refused(shelf: Path, tmp_path: Path, change: str) -> None:
    path = shelf / "jour.csv"

    def meddle(done: int, whole: int) -> None:
        if change == "grow":
            path.write_bytes(CONTENT * 2)
        elif change == "shrink":
            path.write_bytes(CONTENT[:10])
        else:
            (shelf / "new").write_bytes(CONTENT[::-1])
            (shelf / "new").replace(path)

    with pytest.raises(UntrustedFile, match="size is still changing"):
        FolderSource(shelf, progress=meddle, sleep=no_pause).fetch("jour.csv", tmp_path / "arrivals")
    assert os.listdir(tmp_path / "arrivals") == []


@pytest.mark.parametrize("name", ["../secret.csv", "/etc/passwd", "..", ".cache"])
def test_a_path_is_never_fetched(shelf: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="is not the name of a file"):
        FolderSource(shelf, sleep=no_pause).fetch(name, tmp_path)


def test_a_link_is_never_followed(shelf: Path, tmp_path: Path) -> None:
    (shelf / "lien.csv").symlink_to(shelf / "jour.csv")
    with pytest.raises(SourceError, match="not a regular file"):
        FolderSource(shelf, sleep=no_pause).fetch("lien.csv", tmp_path)


def test_a_missing_folder_and_a_missing_file_are_named(tmp_path: Path) -> None:
    source = FolderSource(tmp_path / "nulle-part", sleep=no_pause)
    with pytest.raises(SourceError, match="nulle-part") as caught:
        source.names()
    assert "source.path" in caught.value.remedy
    with pytest.raises(SourceError, match=r"there is no jour\.csv"):
        FolderSource(tmp_path, sleep=no_pause).fetch("jour.csv", tmp_path / "arrivals")


def test_a_folder_that_is_a_file_is_told(shelf: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        FolderSource(shelf / "jour.csv").names()


def test_a_place_that_cannot_be_written_is_the_states_fault(shelf: Path, tmp_path: Path) -> None:
    (tmp_path / "occupied").write_bytes(b"")
    with pytest.raises(StateError, match="cannot be written"):
        FolderSource(shelf, sleep=no_pause).fetch("jour.csv", tmp_path / "occupied")
