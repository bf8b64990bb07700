"""Every fault of the SFTP server, met by a whole night: what it says, its exit code, nothing half-done, and the next night."""

from __future__ import annotations

import asyncssh
import pytest
from sources.depot import PASSWORD, Depot, free_port
from venue import Venue

from pipeline.sandbox.sftp import SftpDrop, make_key

from . import rude
from .conftest import ANNE, BENOIT, DAY, Judge

SHORT = 0.4
"""Seconds: the timeout of a night that meets silence."""
NIGHT = "2026-03-02"

STRANGERS = {
    "silent": rude.silent,
    "hangs up": rude.hangs_up,
    "something else": rude.something_else,
    "greets, is silent": rude.greets_and_is_silent,
    "greets, hangs up": rude.greets_and_hangs_up,
    "speaks in tongues": rude.speaks_in_tongues,
}


def finished_by_the_next_night(venue: Venue, drop: SftpDrop) -> None:
    """Nothing was sent so far; the server being well again, the next night does all of it."""
    assert venue.content() == {}
    venue.day("2026-03-01", DAY)
    venue.set(source={"host": "127.0.0.1", "port": drop.port, "connect_timeout": 15.0, "read_timeout": 60.0})
    night = venue.night(NIGHT)
    assert (night.code, night.run["status"]) == (0, "done"), night.out
    assert set(venue.content()) == {ANNE, BENOIT}


# The way there


@pytest.mark.parametrize("who", STRANGERS)
def test_a_stranger_at_the_port(who: str, venue: Venue, depot: Depot, as_told: Judge) -> None:
    depot.known_hosts.touch()
    with rude.listening(STRANGERS[who]) as port:
        venue.set(source={"port": port, "connect_timeout": SHORT})
        as_told(venue.night(NIGHT))
    with depot.drop() as drop:
        depot.known_hosts.write_text(drop.host_key_line())
        finished_by_the_next_night(venue, drop)


@pytest.mark.parametrize("where", ["closed", "deaf", "unreachable", "unknown name", "no name"])
def test_nobody_there(where: str, venue: Venue, depot: Depot, as_told: Judge) -> None:
    depot.known_hosts.touch()
    hosts = {"unreachable": "224.0.0.1", "unknown name": "depot.invalid", "no name": "depot..exemple.test"}
    with rude.deaf() as port:
        where_to = {"host": hosts.get(where, "127.0.0.1"), "port": port if where == "deaf" else free_port()}
        venue.set(source={**where_to, "connect_timeout": SHORT})
        as_told(venue.night(NIGHT))


# Who is who


@pytest.mark.parametrize("pins", ["unknown", "changed", "none", "garbage"])
def test_the_host_key(pins: str, venue: Venue, depot: Depot, as_told: Judge) -> None:
    with depot.drop() as drop:
        known = {
            "unknown": "# nobody\n",
            "changed": f"[127.0.0.1]:{drop.port} {make_key(depot.base / 'other')}\n",
            "garbage": "\x00\xff\n",
        }
        if pins in known:
            depot.known_hosts.write_text(known[pins], encoding="latin-1")
        venue.set(source={"port": drop.port})
        as_told(venue.night(NIGHT))
        depot.known_hosts.write_text(drop.host_key_line())
        finished_by_the_next_night(venue, drop)


@pytest.mark.parametrize("key", ["unknown", "missing", "open", "garbage", "locked", "password"])
def test_our_key(key: str, venue: Venue, depot: Depot, as_told: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    used = depot.base / "used"
    good = depot.key.read_bytes()
    with depot.drop() as drop:
        depot.known_hosts.write_text(drop.host_key_line())
        venue.set(source={"port": drop.port, "key_file": str(used)})
        if key == "unknown":
            make_key(used)
        elif key != "missing":
            used.write_bytes(good if key != "garbage" else b"courriel;nom\n")
            used.chmod(0o644 if key == "open" else 0o600)
        if key == "locked":
            asyncssh.read_private_key(used).write_private_key(used, passphrase=PASSWORD, rounds=50)
        if key == "password":
            venue.set(source={"user": "billetterie"})
        as_told(venue.night(NIGHT))
        if key == "locked":
            monkeypatch.setenv("DEPOT_MOT_DE_PASSE", PASSWORD)
            venue.set(source={"password_env": "DEPOT_MOT_DE_PASSE"})
        else:
            used.write_bytes(good)
            used.chmod(0o600)
        venue.set(source={"user": "placier"})
        finished_by_the_next_night(venue, drop)


@pytest.mark.parametrize("password", ["wrong", "not set"])
def test_our_password(
    password: str, venue: Venue, depot: Depot, as_told: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    with depot.drop() as drop:
        depot.known_hosts.write_text(drop.host_key_line())
        venue.set(
            source={"port": drop.port, "user": "billetterie", "key_file": "", "password_env": "DEPOT_MOT_DE_PASSE"}
        )
        if password == "wrong":
            monkeypatch.setenv("DEPOT_MOT_DE_PASSE", "un autre")
        answer = venue.night(NIGHT)
        assert "un autre" not in answer.out + answer.err
        as_told(answer)
        monkeypatch.setenv("DEPOT_MOT_DE_PASSE", PASSWORD)
        finished_by_the_next_night(venue, drop)


def test_a_server_that_does_not_say_whether_we_may_come_in(venue: Venue, depot: Depot, as_told: Judge) -> None:
    with depot.drop(porter=rude.Undecided) as drop:
        depot.known_hosts.write_text(drop.host_key_line())
        venue.set(source={"port": drop.port, "connect_timeout": SHORT})
        as_told(venue.night(NIGHT))


# What is asked of it

ILLNESSES = [
    *(f"{call} {what}" for call in ("list", "look", "open", "read") for what in ("gone", "denied", "drop", "hang")),
    *("list fails", "read fails", "read short", "read grows", "close drop", "close hang", "close fails"),
]
FOLLOWED = {"list denied", "look gone", "open hang", "read drop", "read short", "read grows", "close drop"}
"""Where the next night is run too: a night ends in the same place whatever the call met."""


@pytest.mark.parametrize("illness", ILLNESSES)
def test_a_call_that_fails(illness: str, venue: Venue, depot: Depot, as_told: Judge) -> None:
    server = rude.ill(*illness.split())
    with depot.drop(server) as drop:
        depot.known_hosts.write_text(drop.host_key_line())
        venue.set(source={"port": drop.port, "read_timeout": SHORT if "hang" in illness else 60.0})
        as_told(venue.night(NIGHT))
        assert server.met == attempts(illness)
        server.what = "nothing"
        if illness in FOLLOWED:
            finished_by_the_next_night(venue, drop)


def attempts(illness: str) -> int:
    """How often the ill call is made before the night gives up; a close that is refused is no matter: two files come."""
    if illness == "close fails":
        return 2
    return 5 if illness.endswith(("drop", "hang", "short")) else 1


@pytest.mark.parametrize("illness", ["list drop", "look hang", "open drop", "read drop", "read short"])
def test_a_call_that_fails_once_is_made_again(illness: str, venue: Venue, depot: Depot, as_told: Judge) -> None:
    server = rude.ill(*illness.split(), times=1)
    with depot.drop(server) as drop:
        depot.known_hosts.write_text(drop.host_key_line())
        venue.set(source={"port": drop.port, "read_timeout": SHORT if "hang" in illness else 60.0})
        as_told(venue.night(NIGHT))
    assert server.met == 1
    assert set(venue.content()) == {ANNE, BENOIT}
