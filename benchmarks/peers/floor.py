"""The floor: what it costs to have pyarrow parse the file in a stream, and do nothing with it.

python benchmarks/peers/floor.py history.csv
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
from pyarrow import csv


def main(history: Path) -> int:
    """Parse all columns as texts, block by block; the number of lines."""
    with history.open("rb") as file:
        names = [name.strip('"') for name in file.readline().decode().strip().split(";")]
    options = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    with csv.open_csv(history, parse_options=csv.ParseOptions(delimiter=";"), convert_options=options) as reader:
        return sum(batch.num_rows for batch in reader)


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))
