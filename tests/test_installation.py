"""docs/installation.md, followed to the letter: in a clean root of its own, as root, from the first block to the last.

The root is this machine's, with a layer over it that takes what is written and is gone afterwards; nothing here changes.
The sandbox of the page plays the box office and the platform.  Only this is not as the page has it: where the repository
is, and which ports are free; `apt-get` does not fetch, it looks whether the packages are there; `systemctl` knows that no systemd
runs there, so it enables the timer and starts nothing.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from sources.depot import free_port

from pipeline.cli import main

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "installation.md").read_text(encoding="utf-8")
SWITCH = "PLACIER_INSTALLATION"
CLEAN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DONE = "-- block done --"
AGAIN = ("apt-get", "placier init", "cd /srv/placier/secrets", "placier backfill", "cd /usr/local/src/placier/cron")
"""How those begin that are typed twice: what failed may be typed again."""
APT = """#!/bin/sh
[ "$1" = install ] || exit 0
shift
for package; do case $package in -*) ;; *) dpkg -s "$package" >/dev/null || exit 100 ;; esac; done
"""
STAGE = """
set -eu
mount -t tmpfs -o size=4g,mode=755 placier "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs tmpfs "$1/root/run"
mount -t tmpfs -o mode=1777 tmpfs "$1/root/tmp"
for file in /etc/resolv.conf /etc/hosts; do
    [ ! -f "$file" ] || [ -L "$file" ] || mount --bind "$file" "$1/root$file"
done
cp -r "$2" "$1/root/opt/origin"
printf '%s' "$3" > "$1/root/usr/local/sbin/apt-get"
chmod 755 "$1/root/usr/local/sbin/apt-get"
exec chroot "$1/root" bash -s
"""


@dataclass(frozen=True)
class Block:
    """A block of the page that is typed, and what is said of it: `yours`, `sandbox`, `the token follows`, or nothing."""

    mark: str
    text: str


BLOCKS = [
    Block(mark, text)
    for mark, text in re.findall(r"(?:^<!-- ([^<>]*) -->\n)?^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
]


# The page


def test_both_beginnings_fill_in_the_same_names() -> None:
    yours, sandbox, *_ = (set(re.findall(r"\b([A-Z]+)=", block.text)) for block in BLOCKS if block.mark)
    assert yours == sandbox == {"FROM", "ACCOUNT", "ORGANISATION", "HOST", "PORT", "LOGIN", "FOLDER", "API"}


@pytest.mark.parametrize("block", BLOCKS, ids=[str(number) for number in range(len(BLOCKS))])
def test_every_block_is_a_script_that_the_shell_understands(block: Block) -> None:
    subprocess.run(["bash", "-n"], input=block.text, text=True, check=True, timeout=60)


def test_every_command_of_the_program_is_one_that_it_understands() -> None:
    lines = [line for block in BLOCKS for line in block.text.splitlines() if line.startswith("placier ")]
    assert len(lines) > 9
    for line in lines:
        words = shlex.split(re.split(r" [|>&]", line)[0].replace("${API##*:}", "8089").replace("$PORT", "2222"))[1:]
        if words != ["--version"]:
            with click.Context(main) as context:
                name, command, rest = main.resolve_command(context, words)
                assert command is not None
                command.make_context(name or "", rest, parent=context)


# The installation


@pytest.fixture
def clean_root(tmp_path: Path) -> Iterator[Shell]:
    """A shell of root's in a root of its own."""
    if os.environ.get(SWITCH) != "1":
        pytest.skip(f"it takes some minutes and 1 GB of memory: {SWITCH}=1 make test TESTS=tests/test_installation.py")
    packages = re.findall(r"^apt-get install --yes (.*)$", PAGE, re.MULTILINE)[0].split()
    if not sys.platform.startswith("linux") or os.geteuid() != 0 or shutil.which("dpkg") is None:
        pytest.skip("needs root on a Debian: run the tests there as root")
    if subprocess.run(["dpkg", "-s", *packages], capture_output=True, check=False, timeout=60).returncode:
        pytest.skip(f"packages are missing: apt-get install {' '.join(packages)}")
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], check=False, timeout=60).returncode:
        pytest.skip("needs leave to mount: a container with CAP_SYS_ADMIN, or a machine of its own")
    shell = Shell(tmp_path / "stage", snapshot(tmp_path / "origin"))
    try:
        yield shell
    finally:
        shell.end()


def snapshot(folder: Path) -> Path:
    """This repository as it is now, as a repository of its own."""
    listed = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, capture_output=True, check=True, timeout=60).stdout.decode().split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file() and not (ROOT / name).is_symlink():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    author = ["-c", "user.name=placier", "-c", "user.email=placier@exemple.test"]
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], [*author, "commit", "-q", "-m", "As it is now"]):
        subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, timeout=60)
    return folder


class Shell:
    """`bash` at work in the clean root; a command that fails ends it."""

    def __init__(self, stage: Path, origin: Path) -> None:
        stage.mkdir()
        ours = ("PLACIER_", "CYBERIMPACT_", "PYTHON", "VIRTUAL_ENV", "COV_", "COVERAGE")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self._bash = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", STAGE, "stage", stage, origin, APT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**environment, "PATH": CLEAN_PATH, "HOME": "/root", "LC_ALL": "C.UTF-8", "SYSTEMD_OFFLINE": "1"},
        )
        self.type("set -eu -o pipefail; cd /root; unset PLACIER_CONFIG")

    def type(self, text: str) -> str:
        """Type a block and wait for it; what it printed."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.write(f"{text}\necho; echo '{DONE}'\n")
        self._bash.stdin.flush()
        said = ""
        for line in self._bash.stdout:
            if line == f"{DONE}\n":
                return said.rstrip("\n")
            said += line
        raise AssertionError(f"this ended the shell:\n{text}\n\nIt had said:\n{said}")

    def end(self) -> None:
        """Nothing of it stays."""
        self._bash.kill()
        self._bash.communicate(timeout=60)


@pytest.mark.timeout(900)
def test_the_installation_followed_to_the_letter_works_and_leaves_nothing_behind(clean_root: Shell) -> None:
    shell, said = clean_root, []
    for block in BLOCKS:
        if block.mark == "yours":
            continue
        text = block.text.replace("FROM=https://git.exemple.test/placier.git", "FROM=/opt/origin")
        text = text.replace("PORT=2222", f"PORT={free_port()}").replace(":8089", f":{free_port()}")
        if block.mark == "the token follows":
            text += "sandbox-token"
        if text.startswith("systemctl stop"):
            before_the_end(shell)
        said.append(shell.type(text) + "\n")
        if text.startswith(AGAIN):
            shell.type(text)
        if text == "placier doctor || true\n":
            pin(shell, fingerprint="".join(said[:-1]), doctor=said[-1])
    everything = "".join(said)
    assert "all is well" in everything
    shown = re.findall(r"^  (Theatre-du-Quai_historique.*|would be: .*)$", PAGE, re.MULTILINE)
    assert len(shown) == 2
    assert [line for line in (*shown, shown[1].replace("would be", "done")) if line not in everything] == []
    assert "sandbox-token" not in everything
    left = shell.type("ls -d /srv/placier /opt/placier /var/log/placier /usr/local/bin/placier 2>&1 || true")
    assert left.count("No such file") == 4
    assert shell.type("getent passwd placier || true").strip() == ""


def pin(shell: Shell, fingerprint: str, doctor: str) -> None:
    """Do as the page says: compare the fingerprints, and only then type the line after the `$`."""
    told = re.findall(r"^256 (SHA256:\S+) ", fingerprint, re.MULTILINE)
    assert len(told) == 1
    assert f"only if it is {told[0]}:" in re.sub(r"\s+", " ", doctor)
    assert "not looked at until this is mended: host key" in doctor
    [command] = re.findall(r"^ +\$ (echo .* >> /srv/placier/secrets/known_hosts)$", doctor, re.MULTILINE)
    shell.type(command)


def before_the_end(shell: Shell) -> None:
    """What the page promises of what was installed."""
    modes = shell.type("stat -c '%U %a %n' /srv/placier /srv/placier/secrets /srv/placier/secrets/* /srv/placier/var/*")
    assert {line.split()[2] for line in modes.splitlines() if not line.startswith("placier ")} <= {
        "/srv/placier/secrets/known_hosts"  # typed by root, as doctor says
    }
    private = [line for line in modes.splitlines() if not re.search(r" \d00 ", line)]
    assert {Path(line.split()[2]).name for line in private} <= {"README.md", "id_ed25519.pub", "known_hosts"}
    why = shell.type('placier why "$ACCOUNT" zoe.roy@exemple.test; placier why "$ACCOUNT" luc.gagnon@exemple.test')
    assert why.count("may we write? yes") == 2
    assert re.search(r"Un soir sur le quai +yes", why)
    assert re.search(r"Le Songe +no", why), "who cancelled left the group"
    assert shell.type('grep -c "Le Songe" /srv/placier/var/reports/"$ACCOUNT"/*.html') != "0"
    unit = (ROOT / "cron" / "placier.service").read_text(encoding="utf-8")
    command = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)[0]
    as_the_unit = f"set -a; . /srv/placier/secrets/environment; PLACIER_CONFIG=/srv/placier/config exec {command}"
    shell.type(f"runuser -u placier -- sh -c {shlex.quote(as_the_unit)} >> /srv/placier/unit.log 2>&1")
    assert '"event": "run ended"' in shell.type("cat /srv/placier/unit.log")
    assert "/etc/systemd/system/placier.timer" in shell.type("ls /etc/systemd/system/timers.target.wants/* -l")
