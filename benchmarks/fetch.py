"""Fetch a file over SFTP as the program does, and print the seconds from connecting to the file at hand.

python benchmarks/fetch.py PORT USER KEY KNOWN_HOSTS DIRECTORY NAME FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter

from pipeline.config import SftpSource
from pipeline.sources.sftp import Patience, open_sftp

if __name__ == "__main__":
    port, user, key, known_hosts, directory, name, folder = sys.argv[1:]
    server = SftpSource(
        kind="sftp",
        host="127.0.0.1",
        port=int(port),
        user=user,
        key_file=key,
        known_hosts=known_hosts,
        directory=directory,
    )
    start = perf_counter()
    source = open_sftp(server, Path(key), None, Path(known_hosts), patience=Patience(settle=0.0))
    source.fetch(name, Path(folder))
    print(perf_counter() - start)
    source.close()
