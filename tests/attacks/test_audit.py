"""`make check` tells what is known against the pinned packages, and how much of it could be asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

AUDIT = Path(__file__).parent.parent.parent / "scripts" / "audit"
FLAW = {"id": "PYSEC-2026-1", "fix_versions": ["2.0"], "aliases": [], "description": ""}
SAFE = {"name": "anyio", "version": "4.0", "vulns": []}
UNKNOWN = {"name": "click", "skip_reason": "Dependency not found and could not be audited: click (8.2)"}
BAD = {"name": "httpx", "version": "0.1", "vulns": [FLAW]}


@pytest.mark.parametrize(
    ("report", "code", "told"),
    [
        (json.dumps({"dependencies": [SAFE, UNKNOWN]}), 0, "1 of 3 packages could be audited\n"),
        (json.dumps({"dependencies": [UNKNOWN]}), 0, "0 of 3 packages could be audited\n"),
        (json.dumps({"dependencies": [SAFE, BAD]}), 1, "httpx 0.1: PYSEC-2026-1, mended in 2.0\n"),
        ("", 0, "0 of 3 packages could be audited: pip-audit gave no report"),
    ],
)
def test_a_known_vulnerability_fails_and_silence_does_not(tmp_path: Path, report: str, code: int, told: str) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("anyio==4.0 \\\n    --hash=sha256:00\nclick==8.2\nhttpx[http2]==0.1\n    # via anyio\n")
    program = tmp_path / "pip-audit"
    program.write_text(f"#!{sys.executable}\nprint({report!r})\n")
    program.chmod(0o700)
    done = subprocess.run([sys.executable, AUDIT, program, lock], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, "")
    assert told in done.stdout
