"""Both stand-ins together, with keys and a configuration that fits them: what `placier sandbox` runs."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from pipeline.errors import UsageError
from pipeline.sandbox.serve import TOKEN, PlatformServer
from pipeline.sandbox.sftp import SftpDrop, User, make_key

USER = "placier"


class Pair:
    """An SFTP drop over `data`/depot and a platform over `data`/platform.db; keys and known_hosts in `data`/secrets."""

    def __init__(self, data: Path, port: int = 0, sftp_port: int = 0) -> None:
        self.data = data.absolute()
        self.drop_folder = self.data / "depot"
        self.key = self.data / "secrets" / "id_ed25519"
        self.known_hosts = self.data / "secrets" / "known_hosts"
        self._ports = (port, sftp_port)
        self._end = threading.Event()

    def __enter__(self) -> Self:
        self.drop_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        public = self.data / "secrets" / "id_ed25519.pub"
        if not self.key.exists():
            public.parent.mkdir(mode=0o700, exist_ok=True)
            public.write_text(make_key(self.key), encoding="ascii")
        users = {USER: User(key=public.read_text(encoding="ascii"))}
        self.platform = PlatformServer(self.data / "platform.db", self._ports[0])
        self.drop = SftpDrop(self.drop_folder, self.data / "secrets", users, port=self._ports[1])
        try:
            self.platform.__enter__()
            try:
                self.drop.__enter__()
            except BaseException:
                self.platform.__exit__(None, None, None)
                raise
        except OSError as error:
            raise UsageError(
                f"a port of the sandbox is taken ({error.strerror})", "give others with --port and --sftp-port"
            ) from error
        self.known_hosts.write_text(self.drop.host_key_line("127.0.0.1"), encoding="ascii")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drop.__exit__(kind, error, trace)
        self.platform.__exit__(kind, error, trace)

    def facts(self) -> dict[str, object]:
        """Where everything is."""
        return {
            "platform": self.platform.url,
            "token": TOKEN,
            "sftp": {"host": "127.0.0.1", "port": self.drop.port, "user": USER, "key_file": str(self.key)},
            "known_hosts": str(self.known_hosts),
            "drop": str(self.drop_folder),
        }

    def told(self) -> str:
        """The same, for people: what to put into an account's file."""
        return "\n".join(
            (
                f"platform stand-in: {self.platform.url}",
                f"SFTP drop: 127.0.0.1:{self.drop.port}, folder {self.drop_folder}",
                "put this into the account's file, and day files into that folder; Ctrl-C ends the sandbox:",
                "",
                self.account(),
                f"and: export CYBERIMPACT_TOKEN={TOKEN}",
            )
        )

    def account(self, organisation: str = "Theatre-du-Quai") -> str:
        """An account's file that fits this sandbox."""
        quoted = {name: json.dumps(str(path)) for name, path in (("key", self.key), ("hosts", self.known_hosts))}
        return f"""organisation = {json.dumps(organisation)}
timezone = "America/Toronto"
[source]
kind = "sftp"
host = "127.0.0.1"
port = {self.drop.port}
user = "{USER}"
key_file = {quoted["key"]}
known_hosts = {quoted["hosts"]}
directory = "/"
settle_seconds = 0.1
[platform]
kind = "cyberimpact"
base_url = "{self.platform.url}"
requests_per_second = 1000.0
first_poll = 0.05
"""

    def wait(self) -> None:
        """Until Ctrl-C, or a polite request to end."""

        def end(_number: int, _frame: FrameType | None) -> None:
            self._end.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, end)
        while not self._end.wait(3600):
            pass
