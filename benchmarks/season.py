"""Write a season's history of so many contacts (see `first_backfill.py`), and print the least batches that it needs."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from first_backfill import GENERAL, MIXES, wanted_groups, write_history

from pipeline.pack import least

if __name__ == "__main__":
    contacts, groups, size = (int(word) for word in sys.argv[1:4])
    wanted = wanted_groups(next(mix for mix in MIXES if mix.name == "a season's history"), contacts, groups)
    write_history(Path(sys.argv[4]), wanted)
    print(least(Counter(wanted.values()), size, GENERAL))
