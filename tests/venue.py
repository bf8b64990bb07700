"""A world whose day files come over SFTP."""

from __future__ import annotations

from dataclasses import dataclass

from world import World


@dataclass
class Venue(World):
    """As any world; `source` must say where the server is: see `over_sftp`."""

    def write_config(self) -> None:
        """As any world's, without the key that only a folder has."""
        super().write_config()
        file = self.config / "accounts" / "demo.toml"
        file.write_text(
            file.read_text().replace('path = "depot"\n', "").replace('[source]\nkind = "folder"', "[source]")
        )


def over_sftp(port: int, **more: object) -> dict[str, object]:
    """The table of the source."""
    usual = {"kind": "sftp", "host": "127.0.0.1", "port": port, "user": "placier", "directory": "/", "catch_up_days": 0}
    return {**usual, "key_file": "secrets/id_ed25519", "known_hosts": "secrets/known_hosts", **more}
