"""Values that look like SQL, like nothing, or like too much: on both databases a night stores and sends them as what they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from store import conftest as stores
from world import World, buy

from pipeline.sandbox.control import SandboxControl
from pipeline.sandbox.serve import PlatformServer

postgres, postgres_url, sqlite_url, state_url = (
    stores.postgres,
    stores.postgres_url,
    stores.sqlite_url,
    stores.state_url,
)

SQL = "Robert'); DROP TABLE bookings;-- \" ` %s :x {0} ?"
ODD = "🎭 e\u0301 \u0130 \u202f NULL \\N \\x00 ' OR '1'='1"
TEXTS = (
    "id_client", "prenom", "nom", "entreprise", "entreprise_2", "telephone", "ville", "code_postal", "canal_vente",
    "categorie_rapport_1", "categorie_rapport_2", "categorie_rapport_3", "categorie_tarif", "nom_interne_tarif",
    "regroupement_categorie_prix",
)  # fmt: skip
LEGAL = (
    "o'brien@exemple.ca", "anne+billets=2026@exemple.ca", f"{'d' * 64}@exemple.ca", "élise@exemple.ca", "b@théâtre.example",
    "!#$%&'*+/=?^_`{|}~-@exemple.ca", "drop.table--@exemple.ca", "用户@例え.jp",
)  # fmt: skip
ILLEGAL = (
    '"anne roy"@exemple.ca', "a..b@exemple.ca", ".a@exemple.ca", "a@b@exemple.ca", "a@exemple", "a@-b.ca",
    "a@[127.0.0.1]", "a b@exemple.ca", "a@exemple.ca\u202e", "a@exemple..ca", "a;b@exemple.ca", "<a@exemple.ca>", "a@exemple.ca,",
)  # fmt: skip


@pytest.fixture
def stated(tmp_path: Path, state_url: str, night_server: PlatformServer, night_control: SandboxControl) -> World:
    night_control.reset()
    return World(tmp_path, night_server, night_control, state_url=state_url)


def noisy(length: int) -> str:
    """A text that does not compress."""
    return os.urandom(length // 2).hex()


def test_a_night_of_odd_values_ends_well_and_the_second_sends_nothing(stated: World) -> None:
    long = noisy(20_000)
    lines = [
        buy("T1'; DELETE FROM runs;--", "2026-03-01 10:00:00", "sql@exemple.ca", titre_spectacle=SQL, id_spectacle=SQL,
            id_representation=SQL, **dict.fromkeys(TEXTS, SQL)),
        buy(ODD, "2026-03-01 11:00:00", "odd@exemple.ca", titre_spectacle=ODD, id_spectacle=ODD, **dict.fromkeys(TEXTS, ODD)),
        buy("T3", "2026-03-01 12:00:00", "long@exemple.ca", **dict.fromkeys(TEXTS, long)),
        buy(f"T4{long}", "2026-03-01 12:00:00", "key@exemple.ca"),
        buy("T5", "2026-03-01 12:00:00", "show@exemple.ca", titre_spectacle=long, id_spectacle="", id_representation=""),
        buy("T6", "2026-03-01 12:00:00", "id@exemple.ca", id_spectacle=long, id_representation=long, id_client=long),
        buy("T7", "2026-03-01 12:00:00", "most@exemple.ca", nb_billets="999999999", montant_net="9999999999,99"),
    ]  # fmt: skip
    stated.day("2026-03-01", lines)
    first = stated.night("2026-03-02")
    assert first.code == 0, first.out
    assert set(stated.content()) == {line["courriel"] for line in lines}
    assert stated.member("sql@exemple.ca").texts["lastname"] == SQL
    answer = stated.placier("why", "demo", "sql@exemple.ca' OR '1'='1")
    assert answer.json["may_send"] is False
    assert stated.placier("why", "demo", "sql@exemple.ca").json["fields"]["city"] == SQL
    stated.control.reset_log()
    assert stated.night("2026-03-02").code == 0
    assert stated.control.writes() == 0


def test_legal_addresses_pass_and_others_are_bad(stated: World) -> None:
    stated.day("2026-03-01", [buy(f"T{n}", "2026-03-01 10:00:00", email) for n, email in enumerate((*LEGAL, *ILLEGAL))])
    stated.set(guard={"max_reject_ratio": 1.0})
    assert stated.night("2026-03-02").code in {0, 3}  # the platform has its own idea of an address
    (file,) = stated.drop.glob("*achats*")
    bad = stated.placier("check", str(file)).json["rejected"]
    assert {reject["reason"] for reject in bad} == {"bad_email"}
    assert [reject["line"] for reject in bad] == list(range(2 + len(LEGAL), 2 + len(LEGAL) + len(ILLEGAL)))
    assert len(stated.content()) >= len(LEGAL) - 1
    for email in LEGAL:
        assert stated.placier("why", "demo", email).json["sources"]


@pytest.mark.parametrize("value", ["1" + "0" * 30, "9" * 20, "1e30", "-1", "٣", "NaN", "Infinity", "0x10"])
def test_numbers_that_fit_nowhere_are_bad(stated: World, value: str) -> None:
    stated.day("2026-03-01", [
        buy("T1", "2026-03-01 10:00:00", "anne@exemple.ca", nb_billets=value),
        buy("T2", "2026-03-01 10:00:00", "bob@exemple.ca", montant_net=value.removeprefix("-") + "x"),
    ])  # fmt: skip
    answer = stated.night("2026-03-02")
    assert (answer.code, answer.run["files"][0]["rejected"]) == (0, 2)
    assert stated.content() == {}
