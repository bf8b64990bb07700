"""The demo tells the truth: what it prints is what the platform holds afterwards."""

from __future__ import annotations

import json
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from world import Answer

from pipeline.cli import main


def demo(data: Path, *words: str) -> Answer:
    out = StringIO()
    with redirect_stdout(out), redirect_stderr(StringIO()), pytest.raises(SystemExit) as end:
        main(["demo", "--data", str(data), *words], prog_name="placier")
    return Answer(int(end.value.code or 0), out.getvalue(), "")


def test_the_whole_story_is_told_and_ends_with_the_path_of_its_page(tmp_path: Path) -> None:
    answer = demo(tmp_path / "demo")
    assert answer.code == 0
    page = Path(answer.out.rstrip().splitlines()[-1])
    assert page == tmp_path / "demo" / "var" / "reports" / "demo" / "2026-11-14.html"
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    for words in (
        "1 unsubscribed",
        "her groups before: Clients Tuxedo, L'Écume des nuits; now: Clients Tuxedo",
        "Denis's groups: Clients Tuxedo, Onze heures à l'horloge",
        "writes sent to the platform by both replays: 0",
        "Catégorie du tarif du dernier achat: Général, Enfant",
        "Montant net du dernier achat: 160.00",
    ):
        assert words in answer.out

    again = demo(tmp_path / "demo", "--json")
    facts = json.loads(again.out)
    assert facts["platform"] == {"tickets": 4, "price_category": "Général, Enfant", "net_amount": 160.0}
    assert facts["contacts"] > 1000
    assert facts["Anne"]["may_send"] is True
    assert facts["Anne"]["consent_date"] == "2026-11-13"
    assert facts["Anne"]["proof"].endswith("2026-12-08, transaction R-900001")
    assert facts["Benoît"]["suppressed"] == "unsubscribed"


def test_a_folder_that_no_demo_made_is_never_emptied(tmp_path: Path) -> None:
    kept = tmp_path / "photos" / "chat.jpg"
    kept.parent.mkdir()
    kept.write_bytes(b"miaou")
    assert demo(tmp_path / "photos").code == 2
    assert kept.read_bytes() == b"miaou"
