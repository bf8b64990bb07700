"""The archive keeps every file under its digest, privately, and gives back what it kept or says that it cannot."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.archive import Archive, blanked_out
from pipeline.errors import StateError

CONTENT = b"id_reservation;courriel\nT1;anne@exemple.ca\n" * 50


@pytest.fixture
def day_file(tmp_path: Path) -> Path:
    path = tmp_path / "jour.csv"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "archive"


def kept(root: Path) -> list[Path]:
    """The files of an archive."""
    return sorted(path for path in root.rglob("*") if path.is_file())


def test_a_file_is_kept_compressed_under_its_digest(day_file: Path, root: Path) -> None:
    digest = Archive(root).keep(day_file)
    assert digest == hashlib.sha256(CONTENT).hexdigest()
    (path,) = kept(root)
    assert path.name == f"{digest}.gz"
    assert gzip.decompress(path.read_bytes()) == CONTENT
    assert day_file.read_bytes() == CONTENT


def test_nobody_else_can_read_it(day_file: Path, root: Path) -> None:
    Archive(root).keep(day_file)
    (path,) = kept(root)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_keeping_again_changes_nothing(day_file: Path, root: Path) -> None:
    archive = Archive(root)
    archive.keep(day_file)
    (path,) = kept(root)
    before = path.stat().st_mtime_ns
    archive.keep(day_file)
    assert kept(root) == [path]
    assert path.stat().st_mtime_ns == before


def test_what_was_kept_comes_back(day_file: Path, root: Path, tmp_path: Path) -> None:
    archive = Archive(root)
    assert archive.bring(archive.keep(day_file), tmp_path / "back").read_bytes() == CONTENT


def test_a_compressed_file_comes_back_as_it_came(root: Path, tmp_path: Path) -> None:
    packed = tmp_path / "jour.csv.gz"
    packed.write_bytes(gzip.compress(CONTENT, mtime=7))
    archive = Archive(root)
    assert archive.bring(archive.keep(packed), tmp_path / "back").read_bytes() == packed.read_bytes()


def test_what_is_gone_is_told_with_the_way_out(root: Path, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="no longer holds") as caught:
        Archive(root).bring("0" * 64, tmp_path / "back")
    assert "--refetch" in caught.value.remedy


@pytest.mark.parametrize("damage", [b"", b"not gzip", gzip.compress(b"something else", mtime=0)])
def test_what_is_damaged_is_never_given_back(damage: bytes, day_file: Path, root: Path, tmp_path: Path) -> None:
    archive = Archive(root)
    digest = archive.keep(day_file)
    kept(root)[0].write_bytes(damage)
    with pytest.raises(StateError):
        archive.bring(digest, tmp_path / "back")
    archive.keep(day_file)
    assert archive.bring(digest, tmp_path / "back").read_bytes() == day_file.read_bytes(), "kept again, it is mended"


def test_a_truncated_archive_is_damaged(day_file: Path, root: Path, tmp_path: Path) -> None:
    archive = Archive(root)
    digest = archive.keep(day_file)
    (path,) = kept(root)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(StateError):
        archive.bring(digest, tmp_path / "back")


def test_removing_is_for_good_and_may_be_repeated(day_file: Path, root: Path, tmp_path: Path) -> None:
    archive = Archive(root)
    digest = archive.keep(day_file)
    archive.remove(digest)
    archive.remove(digest)
    assert kept(root) == []


def test_a_rehearsal_reads_the_archive_and_writes_elsewhere(day_file: Path, root: Path, tmp_path: Path) -> None:
    archive = Archive(root)
    first = archive.keep(day_file)
    other = tmp_path / "autre.csv"
    other.write_bytes(b"autre")
    aside = tmp_path / "aside"
    rehearsal = archive.over(aside)
    assert rehearsal.bring(first, tmp_path / "one").read_bytes() == CONTENT
    assert rehearsal.bring(rehearsal.keep(other), tmp_path / "two").read_bytes() == b"autre"
    rehearsal.keep(day_file)
    assert len(kept(root)) == len(kept(aside)) == 1


def test_a_rehearsal_copies_nothing_and_changes_nothing(day_file: Path, root: Path, tmp_path: Path) -> None:
    rehearsal = Archive(root).over(tmp_path / "aside")
    digest = rehearsal.keep(day_file)
    (linked,) = kept(tmp_path / "aside")
    assert linked.samefile(day_file)
    struck = rehearsal.strike(digest, lambda path: [(0, 5)], tmp_path)
    rehearsal.remove(digest)
    assert rehearsal.bring(struck, tmp_path / "back").read_bytes() == CONTENT[5:]
    assert rehearsal.trouble(digest) == "gone"
    assert day_file.read_bytes() == CONTENT


def test_what_a_rehearsal_keeps_outlasts_the_name_of_the_file(day_file: Path, root: Path, tmp_path: Path) -> None:
    rehearsal = Archive(root).over(tmp_path / "aside")
    digest = rehearsal.keep(day_file)
    day_file.unlink()
    assert rehearsal.bring(digest, tmp_path / "back").read_bytes() == CONTENT


def test_a_rehearsal_keeps_a_file_of_another_disk(root: Path, tmp_path: Path) -> None:
    other = Path("/proc/version")
    rehearsal = Archive(root).over(tmp_path / "aside")
    assert rehearsal.bring(rehearsal.keep(other), tmp_path / "back").read_bytes() == other.read_bytes()
    (linked,) = kept(tmp_path / "aside")
    assert linked.samefile(other)


def test_what_was_changed_under_a_rehearsal_is_never_given_back(day_file: Path, root: Path, tmp_path: Path) -> None:
    rehearsal = Archive(root).over(tmp_path / "aside")
    digest = rehearsal.keep(day_file)
    day_file.write_bytes(CONTENT + b"more")
    assert rehearsal.trouble(digest) == "damaged"
    with pytest.raises(StateError):
        rehearsal.bring(digest, tmp_path / "back")
    day_file.write_bytes(CONTENT)
    assert rehearsal.keep(day_file) == digest
    assert rehearsal.bring(digest, tmp_path / "back").read_bytes() == CONTENT


def test_an_archive_that_cannot_be_written_is_told(day_file: Path, root: Path, tmp_path: Path) -> None:
    root.write_text("a file where the folder should be")
    with pytest.raises(StateError, match="cannot be written"):
        Archive(root).keep(day_file)
    with pytest.raises(StateError, match="cannot be written"):
        Archive(tmp_path / "other").over(root).keep(day_file)


def test_a_rehearsal_deletes_nothing_of_the_archive(day_file: Path, root: Path, tmp_path: Path) -> None:
    archive = Archive(root)
    digest = archive.keep(day_file)
    archive.over(tmp_path / "rehearsal").remove(digest)
    archive.bring(digest, tmp_path / "back")
    archive.remove(digest)
    with pytest.raises(StateError):
        archive.bring(digest, tmp_path / "back")


def test_what_a_killed_run_had_begun_to_keep_goes(day_file: Path, root: Path) -> None:
    digest = Archive(root).keep(day_file)
    begun = root / digest[:2] / f"{'0' * 64}.part"
    begun.write_bytes(b"half of a day")
    Archive(root).tidy()
    assert [path.name for path in kept(root)] == [f"{digest}.gz"]


def test_what_another_run_is_keeping_now_stays(day_file: Path, root: Path) -> None:
    digest = Archive(root).keep(day_file)
    begun = root / digest[:2] / f"{'0' * 64}.part"
    with begun.open("wb") as writing:
        fcntl.flock(writing, fcntl.LOCK_EX)
        Archive(root).tidy()
        assert begun.exists()


def test_what_was_half_kept_is_kept_whole_by_the_next_run(day_file: Path, root: Path) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    begun = root / digest[:2] / f"{digest}.part"
    begun.parent.mkdir(parents=True)
    begun.write_bytes(b"longer than the file will be, and of another run that was killed" * 100)
    Archive(root).keep(day_file)
    (path,) = kept(root)
    assert gzip.decompress(path.read_bytes()) == CONTENT


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=8), st.integers(1, 9))
def test_spans_are_blanked_the_same_however_the_text_comes(data: bytes, cuts: list[int], size: int) -> None:
    ends = sorted({min(cut, len(data)) for cut in cuts})
    spans = list(zip(ends[::2], ends[1::2], strict=False))
    whole = data
    for start, end in reversed(spans):
        whole = whole[:start] + b"\n" * whole.count(b"\n", start, end) + whole[end:]
    pieces = (data[at : at + size] for at in range(0, len(data), size))
    assert b"".join(blanked_out(pieces, spans)) == whole
