"""The configuration: every problem told at once, with file, key and what would be accepted; never a secret."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from pipeline.config import Account, check_private, load, secret
from pipeline.errors import UsageError

ACCOUNT = """
organisation = "Theatre-du-Quai"
{top}
[source]
kind = "folder"
path = "depot"
{source}
[platform]
kind = "cyberimpact"
{platform}
[policy]
{policy}
[guard]
{guard}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config" / "accounts").mkdir(parents=True)
    return tmp_path / "config"


def write(folder: Path, name: str = "demo", main: str = "", **tables: str) -> None:
    """An account's file with these lines in its tables."""
    filled = {key: tables.get(key, "") for key in ("top", "source", "platform", "policy", "guard")}
    (folder / "accounts" / f"{name}.toml").write_text(ACCOUNT.format(**filled))
    (folder / "placier.toml").write_text(main)


def refused(folder: Path) -> str:
    """Why the configuration is refused."""
    with pytest.raises(UsageError) as caught:
        load(folder)
    assert caught.value.exit_code == 2
    return caught.value.message


def test_defaults_are_those_of_the_contract(folder: Path) -> None:
    write(folder)
    (folder / "placier.toml").unlink()
    configuration = load(folder)
    file = configuration.account("demo").file
    assert (file.timezone, file.language, file.mapping) == ("America/Toronto", "fr_ca", "tuxedo")
    assert file.source.patterns() == {
        "purchases": "{organisation}_achats_{date:%Y%m%d}.csv",
        "cancellations": "{organisation}_annulations_{date:%Y%m%d}.csv",
    }
    assert (file.source.backfill, file.source.wait_minutes, file.source.catch_up_days) == (
        "{organisation}_historique*.csv",
        0,
        7,
    )
    policy, guard = file.policy, file.guard
    assert (policy.consent_months, policy.groups, policy.general_group) == (24, "per-show", "Clients Tuxedo")
    assert (policy.show_grace_days, policy.cancellation, policy.cancelled_counts, policy.retention_months) == (
        3,
        "any",
        True,
        26,
    )
    assert (guard.max_reject_ratio, guard.max_leaves, guard.max_leave_ratio, guard.max_volume_ratio) == (
        0.2,
        50,
        0.2,
        10.0,
    )
    state = configuration.main.state
    assert (state.url, state.archive, state.reports) == ("sqlite:///var/placier.db", "var/archive", "var/reports")


def test_titles_follow_the_grouping_unless_a_template_is_given(folder: Path) -> None:
    write(folder, "show")
    write(folder, "performance", policy='groups = "per-performance"')
    write(folder, "own", policy='groups = "per-performance"\ngroup_title = "Billets {show_title}"')
    templates = {name: account.file.policy.title_template for name, account in load(folder).accounts.items()}
    assert templates == {
        "show": "{show_title}",
        "performance": "{show_title} ({date:%Y-%m-%d %H:%M})",
        "own": "Billets {show_title}",
    }


def test_a_days_files_are_named_by_organisation_and_date(folder: Path) -> None:
    write(folder, source='transactions = "{organisation}_{date:%Y%m%d}.csv"')
    account: Account = load(folder).account("demo")
    assert list(account.file.source.patterns()) == ["transactions"]
    assert (
        account.file_name(account.file.source.patterns()["transactions"], date(2026, 3, 1))
        == "Theatre-du-Quai_20260301.csv"
    )


@pytest.mark.parametrize(
    ("table", "line", "words"),
    [
        ("top", "couleur = 1", ["unknown key couleur", "organisation", "timezone"]),
        ("policy", "consent_month = 24", ["unknown key policy.consent_month", "consent_months"]),
        ("policy", "consent_months = 0", ["policy.consent_months", "1"]),
        ("policy", 'consent_months = "24"', ["policy.consent_months", "integer"]),
        ("policy", "consent_months = 24.5", ["policy.consent_months"]),
        ("policy", 'groups = "per-seat"', ["policy.groups", "per-show", "per-performance", "general-only"]),
        ("policy", 'cancellation = "all"', ["policy.cancellation", "any", "exact"]),
        ("policy", 'cancelled_counts = "yes"', ["policy.cancelled_counts", "boolean"]),
        ("policy", 'group_title = "{show}"', ["policy.group_title", "{show_title}"]),
        ("policy", 'group_title = "{show_title"', ["policy.group_title"]),
        ("policy", f'general_group = "{"x" * 101}"', ["policy.general_group", "100"]),
        ("policy", "show_grace_days = -1", ["policy.show_grace_days"]),
        ("guard", "max_reject_ratio = 1.5", ["guard.max_reject_ratio"]),
        ("top", 'timezone = "Montreal"', ["timezone", "America/Toronto"]),
        ("top", 'language = "fr"', ["language", "fr_ca", "en_ca"]),
        ("source", 'purchases = "a_{date:%Y}.csv"', ["source", "purchases and cancellations"]),
        ("source", 'transactions = "jour.csv"', ["source.transactions", "{date"]),
        ("source", 'transactions = "../{date:%Y%m%d}.csv"', ["source.transactions", "not a path"]),
        ("source", 'transactions = "{organization}_{date:%Y%m%d}.csv"', ["source.transactions", "{organisation}"]),
        ("source", "catch_up_days = -1", ["source.catch_up_days"]),
        ("platform", "batch_size = 0", ["platform.batch_size"]),
        ("platform", 'base_url = "http://api.exemple.ca"', ["platform", "https"]),
        ("platform", '[platform.custom_fields]\nville = "Ville"', ["platform.custom_fields", "ville", "city"]),
        ("platform", '[platform.custom_fields]\ncity = " "', ["platform.custom_fields", "city: accepted"]),
        ("platform", '[platform.custom_fields]\ncity = "A b"\nphone = "a  B"', ["phone and city have one name"]),
        ("platform", '[platform.custom_fields]\ncity = "numéro de téléphone du contact"', ["phone and city have one"]),
        ("platform", 'token_env = ""', ["token_env", "token_file"]),
        ("source", 'purchases = "{date}.csv"\ncancellations = "{date}.csv"', ["two different names"]),
        ("guard", "max_volume_ratio = inf", ["guard.max_volume_ratio", "finite"]),
        ("guard", "max_leave_ratio = nan", ["guard.max_leave_ratio", "finite"]),
    ],
)
def test_a_wrong_word_is_told_with_what_would_be_accepted(
    folder: Path, table: str, line: str, words: list[str]
) -> None:
    write(folder, **{table: line})
    message = refused(folder)
    assert "demo.toml" in message
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('[state]\nurl = "mysql://x"', ["state.url", "sqlite:///", "postgresql+psycopg://"]),
        ('[engine]\nkind = "spark"', ["engine.kind", "local", "dask"]),
        ('[engine]\nkind = "dask"\nscheduler = "ici"', ["engine.scheduler", "tcp://HOST:PORT"]),
        (
            '[state]\nurl = "postgresql+psycopg://a@b/c"\n[engine]\nkind = "dask"\nscheduler = "tcp://h:8786"',
            ["engine", "a scheduler needs storage"],
        ),
        (
            '[engine]\nkind = "dask"\nscheduler = "tcp://h:8786"\nstorage = "/partage"',
            ["engine.scheduler", "SQLite", "postgresql+psycopg://"],
        ),
        ('[state]\narchive = ""', ["state.archive"]),
        ('[state]\nreports = ""', ["state.reports"]),
        ('[alerts]\nhealthcheck_url = "ftp://x"', ["alerts.healthcheck_url", "https://"]),
        ('[etat]\nurl = "x"', ["unknown key etat", "state"]),
        ("[state", ["placier.toml"]),
    ],
)
def test_so_is_one_in_the_main_file(folder: Path, line: str, words: list[str]) -> None:
    write(folder, main=line)
    message = refused(folder)
    assert [word for word in ("placier.toml", *words) if word not in message] == []


def test_all_problems_of_all_files_are_told_at_once(folder: Path) -> None:
    write(folder, "un", policy="consent_months = 0\nshow_grace_days = -1")
    write(folder, "deux", main='[state]\nurl = "x"', guard="max_leaves = -1")
    message = refused(folder)
    for word in (
        "un.toml",
        "consent_months",
        "show_grace_days",
        "deux.toml",
        "max_leaves",
        "placier.toml",
        "state.url",
    ):
        assert word in message


def test_a_missing_key_is_named(folder: Path) -> None:
    (folder / "accounts" / "demo.toml").write_text(
        'organisation = "X"\n[source]\nkind = "sftp"\nhost = "h"\nkey_file = "k"\n'
    )
    message = refused(folder)
    assert "source.user is missing" in message
    assert "platform is missing" in message


@pytest.mark.parametrize("kind", ["", 'kind = "ftp"'])
def test_a_table_without_a_known_kind_is_told_which_there_are(folder: Path, kind: str) -> None:
    (folder / "accounts" / "demo.toml").write_text(f'organisation = "X"\n[source]\n{kind}\n[platform]\n{kind}\n')
    message = refused(folder)
    assert 'demo.toml: source.kind: accepted: "sftp", "folder"' in message
    assert 'demo.toml: platform.kind: accepted: "cyberimpact", "csv"' in message


def test_a_value_is_never_repeated_for_it_may_be_a_secret(folder: Path) -> None:
    write(folder, platform='token = "s3cr3t"\nbatch_size = "s3cr3t"', source='password = "s3cr3t"')
    assert "s3cr3t" not in refused(folder)


def test_a_folder_that_is_not_there_is_told_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no configuration folder") as caught:
        load(tmp_path / "nulle-part")
    assert "placier init" in caught.value.remedy


def test_an_unknown_account_names_the_known_ones(folder: Path) -> None:
    write(folder)
    with pytest.raises(UsageError, match="demo"):
        load(folder).account("demi")


def test_an_account_is_named_like_a_plain_file(folder: Path) -> None:
    write(folder, "mon compte")
    assert "mon compte" in refused(folder)


def test_paths_start_above_the_configuration_folder(folder: Path) -> None:
    write(folder)
    configuration = load(folder)
    assert configuration.state_url() == f"sqlite:///{folder.parent / 'var' / 'placier.db'}"
    assert configuration.account("demo").path("secrets/jeton") == folder.parent / "secrets" / "jeton"
    assert configuration.path("/srv/archive") == Path("/srv/archive")


def test_an_absolute_database_stays_where_it_is(folder: Path) -> None:
    write(folder, main='[state]\nurl = "sqlite:////srv/placier.db"')
    assert load(folder).state_url() == "sqlite:////srv/placier.db"


# Secrets


def test_a_secret_comes_from_its_variable_or_its_private_file(tmp_path: Path) -> None:
    path = tmp_path / "jeton"
    path.write_text(" abc\n")
    path.chmod(0o600)
    assert secret("JETON", None, "the token", {"JETON": " xyz "}) == "xyz"
    assert secret("JETON", path, "the token", {"JETON": "xyz"}) == "abc"


def test_a_missing_secret_names_its_variable() -> None:
    with pytest.raises(UsageError, match="JETON is not set"):
        secret("JETON", None, "the token", {"JETON": " "})


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "jeton"
    path.write_text("s3cr3t")
    path.chmod(mode)
    with pytest.raises(UsageError, match=f"{mode:04o}") as caught:
        check_private(path, "the token")
    assert caught.value.remedy == f"chmod 600 {path}"
    assert "s3cr3t" not in caught.value.message


def test_a_secret_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        check_private(tmp_path / "jeton", "the token")
