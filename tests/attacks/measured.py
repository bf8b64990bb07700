"""The program in a process of its own, told with the most memory that it ever held."""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from program import _FORKS, PATIENCE

MIB = 2**20


@dataclass(frozen=True)
class Measured:
    """Exit code, both outputs, the peak of memory in MiB, seconds."""

    code: int
    out: str
    err: str
    peak: float
    seconds: float


def measured(*words: str, umask: int = 0o022) -> Measured:
    """Run the program with these words, forked from a process that has the libraries loaded."""
    with tempfile.TemporaryDirectory(prefix="measured-") as name:
        folder = Path(name)
        process = _FORKS.Process(target=_main, args=(words, folder, umask), daemon=True)
        begun = time.monotonic()
        process.start()
        process.join(PATIENCE)
        seconds = time.monotonic() - begun
        if process.is_alive():
            process.kill()
            process.join()
            raise AssertionError(f"{words} did not end in {PATIENCE} seconds")
        told = json.loads((folder / "told").read_text())
        out, err = ((folder / which).read_bytes().decode("utf-8", "surrogateescape") for which in ("out", "err"))
        return Measured(told["code"], out, err, told["peak"], seconds)


def _main(words: tuple[str, ...], folder: Path, umask: int) -> None:
    from pipeline.cli import main

    os.umask(umask)
    out, err = folder / "out", folder / "err"
    with out.open("w", encoding="utf-8") as sys.stdout, err.open("w", encoding="utf-8") as sys.stderr:
        try:
            main(list(words), prog_name="placier")
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told = {"code": code, "peak": peak / MIB if sys.platform == "darwin" else peak / 1024}
    (folder / "told").write_text(json.dumps(told))
