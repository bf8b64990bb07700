"""What stands around the program: the set-up says what is missing, and no skipped test passes where none may be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def set_up(python: Path) -> subprocess.CompletedProcess[str]:
    """The set-up with an interpreter that it must refuse; nothing is installed."""
    environment = {"PATH": os.environ["PATH"], "PYTHON": str(python)}
    return subprocess.run(
        [ROOT / "scripts" / "setup"], env=environment, text=True, capture_output=True, timeout=60, check=False
    )


def interpreter(folder: Path, lacking: str) -> Path:
    """This Python, but for programs in which a word occurs: those fail."""
    path = folder / "python"
    path.write_text(f'#!/bin/sh\ncase "$2" in *{lacking}*) exit 1;; esac\nexec "{sys.executable}" "$@"\n')
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("lacking", "says"),
    [("ensurepip", "apt-get install python3-venv"), ("version_info", "needs Python 3.11 or newer")],
)
def test_set_up_says_what_to_install_when_python_lacks_something(tmp_path, lacking, says):
    stopped = set_up(interpreter(tmp_path, lacking))
    assert stopped.returncode != 0
    assert says in stopped.stderr
    assert "then type the same command again" in stopped.stderr


@pytest.mark.parametrize(
    ("module", "processes", "code"),
    [
        ("def test_well(): pass", "0", 0),
        ("import pytest\ndef test_left_out(): pytest.skip('no tool')", "0", 1),
        ("import pytest\ndef test_left_out(): pytest.skip('no tool')", "2", 1),
        ("import pytest\npytest.skip('no tool', allow_module_level=True)", "0", 1),
    ],
)
def test_where_nothing_may_be_skipped_a_skip_fails_the_session(tmp_path, module, processes, code):
    (tmp_path / "test_some.py").write_text(module)
    (tmp_path / "test_other.py").write_text("def test_other(): pass")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no_skips", "-n", processes, "--rootdir", tmp_path, tmp_path],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        cwd=tmp_path,
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stdout
    assert ("skipped, and nothing may be" in done.stdout) == bool(code)
