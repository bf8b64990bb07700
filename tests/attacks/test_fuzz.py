"""Bytes that nobody would write, read for `PLACIER_FUZZ_SECONDS` (6 unless told): a reading or a sentence, never anything else."""

from __future__ import annotations

import gzip
import os
import random
import time
import tomllib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from world import buy, cancel, text

from pipeline import mapping
from pipeline.errors import UntrustedFile, UsageError
from pipeline.read import read
from pipeline.schema import LINES, REJECT_REASONS

Tell = Callable[[str, object], None]
SECONDS = float(os.environ.get("PLACIER_FUZZ_SECONDS", "6"))
ZONE = ZoneInfo("America/Toronto")
AS_OF = date(2026, 3, 15)
SLOW = 5.0
"""Seconds that one small file may take on a busy machine."""
PIECES = (
    b"\0", b"\r", b"\n", b"\r\n", b'"', b'""', b'";"', b";", b",", b"\t", b"|", b"\xef\xbb\xbf", b"\xff\xfe", b"\x1f\x8b", b"\x85",
    b"\xc3", b"\xe9", b"\xf0\x9f\x8e\xad", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"'", b"=", b"\\", b"ACHAT", b"ANNULATION", b"@", b"1e400",
    b"9" * 30, b"-1", b"1,234", b"0000-00-00", b"9999-12-31T23:59:59+14:00", b"0001-01-01 00:00", b"2026-03-08 02:30:00",
    b"2026-11-01 01:30:00", b"x" * 300, b'"anne roy"@exemple.ca', b"a@b", b"a@xn--.ca", "é@é.é".encode(), b"\x1b[2J", b"%s%n{0}", b"';--",
)  # fmt: skip


def seeds() -> list[bytes]:
    """Good files of every kind that the suite knows."""
    lines = [
        buy("T1", "2026-03-14 10:00:00", "anne@exemple.ca", titre_spectacle='Le "Songe"; suite\nfin'),
        buy("T2", "2026-03-14T10:00:00-04:00", "élise@exemple.ca", montant_net="1 234,50 $"),
        cancel("T1", "2026-03-14 11:00:00"),
    ]
    written = [text(lines, delimiter) for delimiter in ";,\t|"]
    fixtures = Path(__file__).parent.parent.parent / "fixtures"
    found = [path.read_bytes()[:20_000] for path in sorted(fixtures.rglob("*.csv"))]
    return [
        *(each.encode() for each in written),
        written[0].encode("cp1252"),
        written[0].replace("\n", "\r\n").encode(),
        *found,
    ]


def mutated(chance: random.Random, data: bytes, pieces: tuple[bytes, ...]) -> bytes:
    """The data with some bytes, values, lines or columns changed, doubled, moved or lost."""
    for _ in range(chance.randint(1, 3)):
        place, other = (chance.randrange(len(data) + 1) for _ in range(2))
        begin, end = min(place, other), min(max(place, other), min(place, other) + 80)
        cut = chance.choice(b';,\t|\n"=')
        values = data.split(bytes([cut]))
        match chance.randrange(25) % 9:
            case 0 | 7:
                data = data[:place] + chance.choice(pieces) + data[place:]
            case 1:
                data = data[:begin] + data[end:]
            case 2:
                data = data[:place] + data[begin:end] + data[place:]
            case 3:
                data = data[:place] + chance.randbytes(chance.randint(1, 4)) + data[place + 1 :]
            case 4 | 6:
                values[chance.randrange(len(values))] = chance.choice(pieces)
                data = bytes([cut]).join(values)
            case 5:
                one, two = (chance.randrange(len(values)) for _ in range(2))
                values[one], values[two] = values[two], values[one]
                data = bytes([cut]).join(values)
            case _:
                data = data[:place] if chance.random() < 0.2 else data
    return data


def fuzzed(seconds: float, feed: Callable[[random.Random], bool]) -> tuple[int, int]:
    """How many examples were fed, and how many were taken; an example is told by its number, which makes it again."""
    end, number, taken = time.monotonic() + seconds, 0, 0
    base = random.getrandbits(40)
    while time.monotonic() < end:
        begun = time.monotonic()
        try:
            taken += feed(random.Random(base + number))
        except Exception as error:
            raise AssertionError(f"the example {base + number} gave {type(error).__name__}: {error}") from error
        assert time.monotonic() - begun < SLOW, base + number
        number += 1
    return number, taken


def told(what: str, fed: int, taken: int) -> str:
    return f"{fed} {what} in {SECONDS / 2:.0f} s: {taken} taken, {fed - taken} refused with a sentence"


def test_any_bytes_give_a_reading_or_a_refusal(tmp_path: Path, record_property: Tell) -> None:
    columns = [
        mapping.load(path) for path in sorted((Path(mapping.__file__).parent.parent / "mappings").glob("*.toml"))
    ]
    known = seeds()
    path = tmp_path / "jour.csv"

    def feed(chance: random.Random) -> bool:
        data = mutated(chance, chance.choice(known), PIECES)
        if chance.random() < 0.1:
            data = mutated(chance, gzip.compress(data), PIECES) if chance.random() < 0.5 else gzip.compress(data)
        path.write_bytes(data)
        role = chance.choice(["", "purchases", "cancellations", "transactions", "backfill"])
        day = chance.choice([None, date(2026, 3, 14)])
        try:
            reading = read(path, chance.choice(columns), ZONE, AS_OF, role=role, business_date=day)
        except UntrustedFile as refusal:
            assert refusal.message.startswith("jour.csv: ")
            assert len(refusal.message) < 4000
            assert refusal.remedy
            return False
        assert reading.lines.num_rows + len(reading.rejects) == reading.total
        assert reading.lines.schema == LINES
        reading.lines.validate(full=True)
        assert {reject.reason for reject in reading.rejects} <= set(REJECT_REASONS)
        numbers = [*reading.lines.column("line").to_pylist(), *(reject.line for reject in reading.rejects)]
        assert len(set(numbers)) == len(numbers)
        assert all(number > 1 for number in numbers)
        return True

    fed, taken = fuzzed(SECONDS / 2, feed)
    record_property("fuzzed", told("day files", fed, taken))
    assert 0 < taken < fed


def test_any_mapping_is_taken_or_refused_with_its_name(tmp_path: Path, record_property: Tell) -> None:
    shipped = sorted((Path(mapping.__file__).parent.parent / "mappings").glob("*.toml"))
    known = [path.read_bytes() for path in shipped]
    pieces = (*PIECES, b"[columns]", b"[operation]", b"[operation.roles]", b"columns", b"= 1\n", b"= []\n", b"= [[]]\n", b"= {}\n",
              b"= true\n", b"= 1979-05-27\n", b'"""', b"= nan\n", b"[" * 200, b"a." * 200, b'= ["a", 1]\n', b'dates = "iso"\n')  # fmt: skip
    path = tmp_path / "essai.toml"

    def feed(chance: random.Random) -> bool:
        path.write_bytes(mutated(chance, chance.choice(known), pieces))
        try:
            found = mapping.load(path)
        except UsageError as refusal:
            assert str(path) in refusal.message
            return False
        assert len(found.fingerprint) == 64
        assert found.required_fields
        assert tomllib.loads(path.read_text(encoding="utf-8"))
        return True

    fed, taken = fuzzed(SECONDS / 2, feed)
    record_property("fuzzed", told("mappings", fed, taken))
    assert 0 < taken < fed
