"""The stand-in of the platform as a process: `stand_in.py FILE` serves, `stand_in.py --log URL` tells what came."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from first_backfill import _kind

from pipeline.sandbox.control import SandboxControl
from pipeline.sandbox.serve import PlatformServer

if __name__ == "__main__":
    if sys.argv[1] == "--log":
        with SandboxControl(sys.argv[2]) as control:
            print(json.dumps(Counter(_kind(entry.method, entry.path) for entry in control.log())))
    else:
        with PlatformServer(Path(sys.argv[1])) as server:
            print(server.url, flush=True)
            sys.stdin.read()
