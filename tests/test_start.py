"""`placier init` writes a start that loads, tells every key with its default, and never touches what is there."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from pipeline import mapping
from pipeline.config import (
    AccountFile,
    Alerts,
    Configuration,
    CsvPlatform,
    CyberimpactPlatform,
    Engine,
    FolderSource,
    Guard,
    Main,
    Policy,
    SftpSource,
    State,
    load,
)
from pipeline.errors import UsageError
from pipeline.fields import FIELDS
from pipeline.sandbox.season import ORGANISATION
from pipeline.sandbox.serve import TOKEN
from pipeline.start import ACCOUNT, PLACIER, write_start

ROOT = Path(__file__).parent.parent
OPTION = re.compile(r"^#([a-z_0-9]+ = )", re.MULTILINE)
SECTIONS: list[tuple[str, type[BaseModel]]] = [
    *((PLACIER, model) for model in (State, Engine, Alerts)),
    *((ACCOUNT, model) for model in (SftpSource, FolderSource, CyberimpactPlatform, CsvPlatform, Policy, Guard)),
]


@pytest.fixture
def started(tmp_path: Path) -> Path:
    """A folder in which `placier init` has just been."""
    write_start(tmp_path / "salle")
    return tmp_path / "salle"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def uncommented(started: Path) -> Configuration:
    """The configuration with every `#key = value` taken at its word."""
    for path in (started / "config").rglob("*.toml"):
        path.write_text(OPTION.sub(r"\1", path.read_text(encoding="utf-8")), encoding="utf-8")
    return load(started / "config")


def test_the_start_is_a_valid_configuration_that_waits_for_late_files(started: Path) -> None:
    configuration = load(started / "config")
    assert list(configuration.accounts) == ["exemple"]
    assert configuration.main == Main()
    assert configuration.account("exemple").file.source.wait_minutes == 90
    assert mapping.load(mapping.find(configuration.account("exemple").file.mapping, configuration.directory))


@pytest.mark.parametrize(("text", "model"), SECTIONS, ids=[model.__name__ for _, model in SECTIONS])
def test_every_key_of_a_section_is_told(text: str, model: type[BaseModel]) -> None:
    missing = [key for key in model.model_fields if not re.search(rf"\b{key} = |\.{key}\]", text)]
    assert missing == []


@pytest.mark.parametrize("text", [PLACIER, ACCOUNT], ids=["placier.toml", "an account"])
def test_every_key_has_its_comment(text: str) -> None:
    names = {field.key for field in FIELDS}
    keys = [line for line in text.splitlines() if re.match(r"#?[a-z_]+ = ", line)]
    bare = [line for line in keys if "  # " not in line and '" # ' not in line]
    assert [line for line in bare if line.split(" = ")[0].lstrip("#") not in names] == []


def test_every_section_and_every_key_outside_sections_is_told() -> None:
    assert set(tomllib.loads(PLACIER)) == set(Main.model_fields)
    told = OPTION.sub(r"\1", ACCOUNT)
    assert set(tomllib.loads(told)) == set(AccountFile.model_fields)


def test_a_commented_key_shows_the_default(started: Path) -> None:
    before = load(started / "config")
    after = uncommented(started)
    assert after.main == before.main
    ours, theirs = before.account("exemple").file, after.account("exemple").file
    names = theirs.platform.custom_fields
    assert names == {field.key: field.name for field in FIELDS}
    bare = theirs.platform.model_copy(update={"custom_fields": {}})
    assert theirs.model_copy(update={"platform": bare}) == ours


def test_the_examples_in_the_comments_are_accepted(started: Path) -> None:
    account = started / "config" / "accounts" / "exemple.toml"
    text = account.read_text(encoding="utf-8")
    text = re.sub(
        r"^kind = \"sftp\".*\n(?s:.*?)(?=^purchases)", 'kind = "folder"\npath = "depot"\n', text, flags=re.MULTILINE
    )
    text = text.replace('kind = "cyberimpact"', 'kind = "csv"\npath = "import"\ndialect = "mailchimp"')
    account.write_text(text, encoding="utf-8")
    file = load(started / "config").account("exemple").file
    assert (file.source.kind, file.platform.kind) == ("folder", "csv")


def test_the_secrets_folder_is_for_its_owner_alone_and_not_for_git(started: Path) -> None:
    assert stat.S_IMODE((started / "secrets").stat().st_mode) == 0o700
    told = (started / "secrets" / "README.md").read_text(encoding="utf-8")
    assert all(name in told for name in ("environment", "id_ed25519", "known_hosts", "chmod 600"))
    assert (started / ".gitignore").read_text(encoding="utf-8").split() == ["secrets/", "var/"]


@pytest.fixture
def git() -> str:
    """Git's own word on what is ignored."""
    found = shutil.which("git")
    if found is None:
        pytest.skip("git is missing: apt-get install git")
    return found


def test_git_ignores_secrets_and_state(started: Path, git: str) -> None:
    subprocess.run([git, "init", "-q", str(started)], check=True, timeout=60)
    (started / "var").mkdir()
    (started / "var" / "placier.db").touch()
    shown = subprocess.run(
        [git, "-C", str(started), "status", "--porcelain", "-uall"],
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
    ).stdout
    assert "config/placier.toml" in shown
    assert "secrets" not in shown
    assert "var/" not in shown


@pytest.mark.parametrize("folder", ["mappings", "cron"])
def test_mappings_and_cron_files_are_copies_of_those_shipped(started: Path, folder: str) -> None:
    assert contents(started / folder) == contents(ROOT / folder)


def test_a_second_start_writes_nothing_and_says_so(started: Path) -> None:
    before = contents(started)
    again = write_start(started)
    assert contents(started) == before
    assert [str(file.path.relative_to(started)) for file in again if file.written] == []
    assert {str(file.path.relative_to(started)) for file in again} == set(before)
    assert all("kept as it is" in str(file) for file in again)


def test_a_file_of_yours_is_kept_and_the_rest_is_written(tmp_path: Path) -> None:
    mine = tmp_path / "config" / "placier.toml"
    mine.parent.mkdir()
    mine.write_text("# le mien\n", encoding="utf-8")
    found = {file.path: file.written for file in write_start(tmp_path)}
    assert mine.read_text(encoding="utf-8") == "# le mien\n"
    assert [path for path, written in found.items() if not written] == [mine]
    assert (tmp_path / "config" / "accounts" / "exemple.toml") in found


def test_a_link_that_leads_nowhere_is_kept_too(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").symlink_to(tmp_path / "ailleurs")
    write_start(tmp_path)
    assert not (tmp_path / "ailleurs").exists()


def test_a_folder_that_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "fichier").touch()
    with pytest.raises(UsageError, match="fichier.*cannot be written"):
        write_start(tmp_path / "fichier" / "salle")
    with pytest.raises(UsageError, match="cannot be written"):
        write_start(tmp_path / "fichier")


# The configuration in the repository


@pytest.fixture
def repository() -> Configuration:
    """config/ at the top of a checkout."""
    return load(ROOT / "config")


def test_the_repository_s_main_file_is_the_start_s() -> None:
    assert (ROOT / "config" / "placier.toml").read_text(encoding="utf-8") == PLACIER


def test_the_demo_account_fits_the_sandbox_as_it_starts(repository: Configuration) -> None:
    from pipeline.cli import sandbox
    from pipeline.sandbox.pair import USER, Pair

    usual = {option.name: option.default for option in sandbox.params}
    pair = Pair(repository.base / str(usual["data"]))
    account = repository.account("demo")
    source, platform = account.file.source, account.file.platform
    assert isinstance(source, SftpSource)
    assert isinstance(platform, CyberimpactPlatform)
    assert (source.host, source.port, source.user, source.directory) == ("127.0.0.1", usual["sftp_port"], USER, "/")
    assert account.path(source.key_file) == pair.key
    assert account.path(source.known_hosts) == pair.known_hosts
    assert platform.base_url == f"http://127.0.0.1:{usual['port']}"
    told = (ROOT / "config" / "accounts" / "demo.toml").read_text(encoding="utf-8")
    assert f"export {platform.token_env}={TOKEN}" in told
    assert account.file.organisation == ORGANISATION
