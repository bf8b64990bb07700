"""Import files: what is in them, for whom, and that nothing in them does harm."""

from __future__ import annotations

import csv
import io
import stat
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.config import CsvPlatform as Configured
from pipeline.errors import PlatformError
from pipeline.platforms import Member, Platform
from pipeline.platforms.csv import CsvPlatform

from .conftest import batch, person

DialectName = Literal["cyberimpact", "mailchimp"]
Open = Callable[..., CsvPlatform]


@pytest.fixture
def open_(folder: Path) -> Open:
    def make(dialect: DialectName = "cyberimpact", label: str = "demo_20261105_7", **names: str) -> CsvPlatform:
        return CsvPlatform(Configured(kind="csv", path="x", dialect=dialect, custom_fields=names), folder, label)

    return make


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_is_a_platform_that_reads_nothing_back(open_: Open, folder: Path) -> None:
    platform: Platform = open_()
    assert not platform.reads_back
    assert platform.check_fields() == []
    assert platform.groups() == []
    assert platform.suppressed([]) == {}
    assert platform.read(["a@exemple.test"]) == {}
    assert platform.consent("a@exemple.test") is None
    assert platform.memberships(["a@exemple.test"], []) == set()
    platform.close()
    assert platform.requests == 0
    assert not folder.exists()


def test_cyberimpact_gets_one_file_per_set_of_groups(open_: Open, folder: Path) -> None:
    platform = open_(city="Localité")
    everyone, show = platform.create_group("Clients Tuxedo"), platform.create_group("Cyrano")
    platform.upsert(batch(person("zoe@exemple.test", language="fr_ca"), groups=(everyone.id, show.id)))
    platform.upsert(batch(person("abel@exemple.test", values={"city": "Lévis"}), groups=(everyone.id,)))
    platform.upsert(batch(person("eve@exemple.test"), groups=(show.id, everyone.id)))
    platform.close()
    both, one = folder / "demo_20261105_7_import_g1-2.csv", folder / "demo_20261105_7_import_g1.csv"
    assert [row["Courriel"] for row in table(both)] == ["zoe@exemple.test", "eve@exemple.test"]
    assert [row["Localité"] for row in table(one)] == ["Lévis"]
    row = table(both)[0]
    assert row["Prénom"] == "Zoé"
    assert row["Langue"] == "fr_ca"
    assert row["Date du consentement"] == "2026-11-01"
    assert row["Preuve du consentement"] == "Les Belles-Sœurs, 2026-11-05, T-1"
    assert row["Montant net du dernier achat"] == "160.50"
    assert row["Nombre de billets vendus lors du dernier achat"] == "4"
    assert row["Date de l'événement du dernier achat"] == "2026-11-05"
    told = (folder / "demo_20261105_7_LISEZ-MOI.txt").read_text(encoding="utf-8")
    assert f"{both.name} : à importer comme « clients actifs » dans : Clients Tuxedo, Cyrano" in told


def test_mailchimp_gets_one_file_with_tags(open_: Open, folder: Path) -> None:
    platform = open_("mailchimp")
    everyone, show = platform.create_group("Clients Tuxedo"), platform.create_group('Roméo, "Juliette"')
    platform.upsert(batch(person("zoe@exemple.test"), groups=(everyone.id, show.id)))
    platform.upsert(batch(person("abel@exemple.test"), groups=(everyone.id,)))
    platform.close()
    path = folder / "demo_20261105_7_import.csv"
    assert path.read_bytes().startswith(b"Email Address,First Name,Last Name,")
    assert [(row["Email Address"], row["Tags"]) for row in table(path)] == [
        ("zoe@exemple.test", '"Clients Tuxedo","Roméo, \'Juliette\'"'),
        ("abel@exemple.test", '"Clients Tuxedo"'),
    ]


def test_groups_keep_their_numbers_from_run_to_run(open_: Open) -> None:
    first = open_()
    made = [first.create_group("Clients Tuxedo"), first.create_group("Cyrano")]
    first.close()
    second = open_(label="demo_20261106_8")
    assert second.groups() == made
    assert second.create_group(" CYRANO") == made[1]
    assert second.create_group("Médée").id == 3


def test_leaves_go_to_a_file_of_their_own(open_: Open, folder: Path) -> None:
    platform = open_()
    group = platform.create_group("Cyrano")
    platform.leave("Zoe@exemple.test", group.id)
    platform.leave("abel@exemple.test", group.id)
    platform.close()
    assert table(folder / "demo_20261105_7_retraits_1.csv") == [
        {"Courriel": "zoe@exemple.test", "Groupe à quitter": "Cyrano"},
        {"Courriel": "abel@exemple.test", "Groupe à quitter": "Cyrano"},
    ]


def test_nobody_else_can_read_the_files(open_: Open, folder: Path) -> None:
    platform = open_()
    platform.upsert(batch(person("zoe@exemple.test"), groups=(platform.create_group("Cyrano").id,)))
    platform.close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_file_has_its_name_only_once_the_run_is_closed(open_: Open, folder: Path) -> None:
    platform = open_("mailchimp")
    platform.upsert(batch(person("zoe@exemple.test")))
    assert names(folder) == ["demo_20261105_7_import.csv.part"]
    platform.close()
    platform.close()
    assert names(folder) == ["demo_20261105_7_LISEZ-MOI.txt", "demo_20261105_7_import.csv"]


def test_no_file_has_its_name_before_it_is_told_of(open_: Open, folder: Path) -> None:
    platform = open_()
    everyone = platform.create_group("Clients Tuxedo")
    platform.upsert(batch(person("zoe@exemple.test"), groups=(everyone.id,)))
    (folder / "demo_20261105_7_import_g1.csv").mkdir()
    with pytest.raises(OSError, match="import_g1"):
        platform.close()
    assert "demo_20261105_7_import_g1.csv" in (folder / "demo_20261105_7_LISEZ-MOI.txt").read_text(encoding="utf-8")


def test_what_an_interrupted_run_wrote_is_not_lost(open_: Open, folder: Path) -> None:
    open_("mailchimp").upsert(batch(person("zoe@exemple.test")))
    later = open_("mailchimp", label="demo_20261106_8")
    later.upsert(batch(person("abel@exemple.test")))
    later.close()
    assert [row["Email Address"] for row in table(folder / "demo_20261105_7_import.csv")] == ["zoe@exemple.test"]
    assert [row["Email Address"] for row in table(folder / "demo_20261106_8_import.csv")] == ["abel@exemple.test"]
    assert "demo_20261105_7_import.csv" in (folder / "demo_20261106_8_LISEZ-MOI.txt").read_text(encoding="utf-8")


def test_a_label_used_again_overwrites_nothing(open_: Open, folder: Path) -> None:
    for email in ("zoe@exemple.test", "abel@exemple.test"):
        platform = open_("mailchimp")
        platform.upsert(batch(person(email)))
        platform.close()
    files = sorted(folder.glob("*.csv"))
    assert [row["Email Address"] for path in files for row in table(path)] == ["zoe@exemple.test", "abel@exemple.test"]


def test_a_label_is_no_path(open_: Open, folder: Path) -> None:
    platform = open_("mailchimp", label="../../ailleurs/x")
    platform.upsert(batch(person("zoe@exemple.test")))
    platform.close()
    assert [path.name for path in folder.parent.iterdir()] == ["imports"]


@pytest.mark.parametrize("evil", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_formula_is_only_a_text(open_: Open, folder: Path, evil: str) -> None:
    platform = open_("mailchimp")
    platform.upsert(
        batch(person("zoe@exemple.test", values={"first_name": evil, "net_amount": -12.5, "phone": "-12,50"}))
    )
    platform.close()
    (row,) = table(folder / "demo_20261105_7_import.csv")
    assert row["First Name"].startswith("'")
    assert row["First Name"].replace("'", "") == evil
    assert row["Montant net du dernier achat"] == "-12.50"
    assert row["Numéro de téléphone du contact"] == "-12,50"


def test_a_title_that_is_a_formula_is_only_a_text(open_: Open, folder: Path) -> None:
    platform = open_()
    platform.leave("zoe@exemple.test", platform.create_group("=Cyrano").id)
    platform.close()
    assert table(folder / "demo_20261105_7_retraits_1.csv")[0]["Groupe à quitter"] == "'=Cyrano"


def test_an_address_that_is_a_formula_is_refused_rather_than_altered(open_: Open, folder: Path) -> None:
    platform = open_("mailchimp")
    outcome = platform.upsert(batch(person("=1+1@exemple.test"), person("zoe@exemple.test")))
    platform.close()
    assert set(outcome.refused) == {"=1+1@exemple.test"}
    assert [row["Email Address"] for row in table(folder / "demo_20261105_7_import.csv")] == ["zoe@exemple.test"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(text=st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_text_comes_back_as_it_was_but_for_the_guard(tmp_path: Path, text: str) -> None:
    folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
    platform = CsvPlatform(Configured(kind="csv", path="x", dialect="mailchimp"), folder, "r")
    platform.upsert(batch(person("zoe@exemple.test", values={"company": text})))
    platform.close()
    (row,) = table(folder / "r_import.csv")
    assert row["Company"].replace("'", "") == text.replace("'", "")
    assert row["Company"][0] not in "=@\t\r"


@pytest.mark.parametrize(
    "content",
    [
        "Courriel;Prénom;Date de désabonnement\nZoe@Exemple.test ;Zoé;2026-10-03 08:00:00\n;;\n".encode(),
        "Prénom,Adresse e-mail,Désabonné le\nZoé,zoe@exemple.test,2026-10-03\n".encode("utf-8-sig"),
        b"Email Address\tUNSUB_TIME\nzoe@exemple.test\t2026-10-03\n",
        "E-mail;Désabonnement\nzoe@exemple.test;2026-10-03\n".encode("cp1252"),
    ],
    ids=["fr", "bom", "mailchimp", "cp1252"],
)
def test_an_export_of_the_unsubscribed_is_heeded(open_: Open, folder: Path, content: bytes) -> None:
    folder.mkdir()
    (folder / "desabonnes.csv").write_bytes(content)
    assert open_().suppressed([]) == {"zoe@exemple.test": ("unsubscribed", date(2026, 10, 3))}


@pytest.mark.parametrize("content", [b"", b"Nom;Ville\nZoe;Levis\n"], ids=["empty", "no addresses"])
def test_an_export_without_addresses_is_an_error_not_an_empty_list(open_: Open, folder: Path, content: bytes) -> None:
    folder.mkdir()
    (folder / "desabonnes.csv").write_bytes(content)
    with pytest.raises(PlatformError, match="addresses"):
        open_().suppressed([])


def test_a_damaged_list_of_groups_is_an_error_not_a_new_list(open_: Open, folder: Path) -> None:
    folder.mkdir()
    (folder / "groupes.json").write_text("{", encoding="utf-8")
    with pytest.raises(PlatformError, match=r"groupes\.json"):
        open_().create_group("Cyrano")


def test_an_unknown_group_is_an_error(open_: Open) -> None:
    with pytest.raises(PlatformError, match="group 9"):
        open_().upsert(batch(person("zoe@exemple.test"), groups=(9,)))


def test_amending_is_refused(open_: Open) -> None:
    assert open_().amend(Member(1, "zoe@exemple.test", True, {}), person("zoe@exemple.test"), []) != ""


def test_a_folder_that_cannot_be_used_says_so(folder: Path) -> None:
    folder.write_text("un fichier", encoding="utf-8")
    platform = CsvPlatform(Configured(kind="csv", path="x"), folder, "r")
    with pytest.raises(PlatformError, match=r"platform\.path|cannot be used"):
        platform.create_group("Cyrano")
