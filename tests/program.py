"""The program as a process of its own: started as a shell does, or as one that a test may kill."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

from world import Answer

PATIENCE = 60.0
"""Seconds that anything may take on a slow machine."""
_FORKS = get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        f"pipeline.{room}"
        for room in (
            *("cli", "doors", "show", "verify", "report.page", "platforms.cyberimpact", "sources.folder", "read"),
            *("sources.sftp", "sandbox.control", "sandbox.serve"),
        )
    ]
    + ["psycopg", "sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql"]
)


def shell(*words: str, environment: Mapping[str, str] | None = None, cwd: Path | None = None) -> Answer:
    """`python -m pipeline WORDS` in a clean environment, without a terminal, as cron starts it."""
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=clean_environment(environment),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def clean_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This environment without anything of Placier's or of the terminal's, and `more`."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PLACIER_", "CYBERIMPACT_"))}
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "COLUMNS"):
        ours.pop(name, None)
    return {**ours, **(more or {})}


@contextmanager
def killed(*words: str, once: Callable[[], bool]) -> Iterator[None]:
    """The program is started, and killed (SIGKILL) once `once` is true; AssertionError when it ends before.

    It is forked from a process that has the libraries loaded already: quick enough to be killed often.
    """
    with tempfile.TemporaryDirectory(prefix="killed-") as folder:  # who is killed clears nothing away
        process = _FORKS.Process(target=_main, args=(words, folder), daemon=True)
        process.start()
        try:
            wait_until(once, alive=process.is_alive)
        finally:
            process.kill()
            process.join(PATIENCE)
    yield


def struck(*words: str, once: Callable[[], bool]) -> int | None:
    """The exit code of the program, or None when it was killed (SIGKILL) because `once` came true before it ended."""
    with tempfile.TemporaryDirectory(prefix="struck-") as folder:
        process = _FORKS.Process(target=_main, args=(words, folder), daemon=True)
        process.start()
        end = time.monotonic() + PATIENCE
        while process.is_alive():
            if once():
                process.kill()
            else:
                time.sleep(0.004)
            assert time.monotonic() < end, "the program never ended"
        process.join(PATIENCE)
        return None if process.exitcode == -signal.SIGKILL else process.exitcode


def on_terminal(*words: str, columns: int = 80, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    """The exit code of the program and what a terminal of so many columns shows of its output and errors."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    seen = b""
    with tempfile.TemporaryDirectory(prefix="terminal-") as folder:
        variables = clean_environment({"TERM": "xterm", **(environment or {})})
        process = _FORKS.Process(target=_shown, args=(words, folder, os.ttyname(theirs), variables), daemon=True)
        process.start()
        while process.is_alive() or select.select([ours], [], [], 0)[0]:
            if select.select([ours], [], [], 0.02)[0]:
                seen += os.read(ours, 65536)
        process.join(PATIENCE)
    os.close(theirs)
    os.close(ours)
    assert process.exitcode is not None
    return process.exitcode, seen.decode().replace("\r\n", "\n")


def wait_until(once: Callable[[], bool], alive: Callable[[], bool] = lambda: True) -> None:
    """Look until `once` is true; AssertionError when the program is no longer `alive` before, or after a minute."""
    end = time.monotonic() + PATIENCE
    while not once():
        assert alive(), "the program ended by itself"
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def _main(words: tuple[str, ...], folder: str) -> None:
    """The program, mute, with `folder` for its temporary files."""
    from pipeline.cli import main

    tempfile.tempdir = folder
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        sys.stdout = sys.stderr = nowhere
        main(list(words), prog_name="placier")


def _shown(words: tuple[str, ...], folder: str, terminal: str, environment: Mapping[str, str]) -> None:
    """The program, on a terminal."""
    from pipeline.cli import main

    os.setsid()
    there = os.open(terminal, os.O_RDWR)
    for number in range(3):
        os.dup2(there, number)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = folder
    sys.stdout, sys.stderr = open(1, "w", encoding="utf-8"), open(2, "w", encoding="utf-8")
    main(list(words), prog_name="placier")
