"""The bytes of an SFTP session: what paramiko does for each packet and each block of a download, done once for many.

Nothing here decides whom we talk to or what is taken.  What each amendment is worth: docs/performance.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import paramiko
from paramiko.common import DEFAULT_WINDOW_SIZE
from paramiko.message import Message
from paramiko.sftp import (
    CMD_DATA,
    CMD_EXTENDED,
    CMD_INIT,
    CMD_NAME,
    CMD_READ,
    CMD_STATUS,
    CMD_VERSION,
    SFTPError,
    int64,
)

READ_AHEAD = 16 << 20
"""Bytes asked for in advance: more is slower to come to an end, less leaves the line idle."""

LEAST_BLOCK, MOST_BLOCK = 32 << 10, 256 << 10
"""Bytes asked for in one request: what any server gives, and the most that is asked of one which tells its limits."""

LIMITS = b"limits@openssh.com"
"""How a server offers to tell its limits (OpenSSH, PROTOCOL, 4.8)."""


class Transport(paramiko.Transport):
    """A transport that asks for AES-GCM first: encryption and digest in one pass, where paramiko prefers two."""

    _preferred_ciphers = (
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
        *(name for name in paramiko.Transport._preferred_ciphers if "gcm" not in name),  # type: ignore[attr-defined]  # noqa: SLF001
    )


class Client(paramiko.SFTPClient):
    """An SFTP session that reads a file with little ado."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._came = memoryview(b"")
        self._block = LEAST_BLOCK
        super().__init__(channel)
        if (LIMITS, b"1") in self._offers:
            with suppress(OSError):  # offered, and refused
                _, answer = self._request(CMD_EXTENDED, LIMITS)
                answer.get_int64()  # the longest packet
                self._block = max(LEAST_BLOCK, min(answer.get_int64(), MOST_BLOCK))

    def blocks(self, file: paramiko.SFTPFile, start: int, end: int) -> Iterator[bytes]:
        """A file's bytes from `start` to `end`, in order, READ_AHEAD of them asked for in advance.

        They end where the file does.  paramiko's own way has a second thread, and looks for each block among all.
        """
        answers = _Answers()
        under_way: deque[_Asked] = deque()

        def ask(offset: int, size: int) -> _Asked:
            number = self._async_request(answers, CMD_READ, file.handle, int64(offset), size)  # type: ignore[attr-defined]
            return _Asked(number, offset, size)

        while True:
            while start < end and len(under_way) < READ_AHEAD // self._block:
                under_way.append(ask(start, min(self._block, end - start)))
                start += under_way[-1].size
            if not under_way:
                return
            asked = under_way.popleft()
            data = self._data(asked, answers)
            if not data:
                return
            yield data
            if len(data) < asked.size:
                under_way.appendleft(ask(asked.offset + len(data), asked.size - len(data)))

    def _data(self, asked: _Asked, answers: _Answers) -> bytes:
        """What came for a request; nothing at the end of the file."""
        while asked.number not in answers.came:
            self._read_response()  # type: ignore[attr-defined]
        kind, message = answers.came.pop(asked.number)
        if kind == CMD_STATUS:
            try:
                self._convert_status(message)  # type: ignore[attr-defined]
            except EOFError:
                return b""
        if kind != CMD_DATA:
            raise SFTPError("no data where data was asked for")
        data = message.get_string()
        if len(data) > asked.size:
            raise SFTPError("more data than was asked for")
        return data

    def _send_version(self) -> int:
        """Agree on the protocol's version, as paramiko does, and keep what the server offers besides."""
        hello = Message()
        hello.add_int(3)
        self._send_packet(CMD_INIT, hello)  # type: ignore[attr-defined]
        kind, data = self._read_packet()  # type: ignore[attr-defined]
        if kind != CMD_VERSION:
            raise SFTPError("no version of the SFTP protocol where one was due")
        answer = Message(data)
        version = answer.get_int()
        self._offers = set()
        while name := answer.get_string():
            self._offers.add((name, answer.get_string()))
        return version

    def _request(self, kind: int, *args: object) -> tuple[int, Message]:
        answer, message = super()._request(kind, *args)  # type: ignore[misc]  # not in the stubs
        return answer, _Names(message.get_remainder()) if answer == CMD_NAME else message

    def _read_all(self, size: int) -> bytes:
        """The next bytes of the session: paramiko moves all that waits in its buffer at every call, here it is emptied."""
        if len(self._came) < size:
            pieces = [self._came]
            lacking = size - len(self._came)
            while lacking > 0:
                piece = self.sock.recv(DEFAULT_WINDOW_SIZE)
                if not piece:
                    raise EOFError
                pieces.append(memoryview(piece))
                lacking -= len(piece)
            self._came = memoryview(b"".join(pieces))
        taken, self._came = self._came[:size], self._came[size:]
        return bytes(taken)


class _Names(Message):
    """A server's list of names: bytes that are not UTF-8 become surrogates, where paramiko gives the whole list up."""

    def get_text(self) -> str:
        return self.get_string().decode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request under way: its number, the first byte and how many."""

    number: int
    offset: int
    size: int


class _Answers:
    """What came to requests under way, by their numbers; the session gives it here, and forgets it when nobody waits."""

    def __init__(self) -> None:
        self.came: dict[int, tuple[int, Message]] = {}

    def _async_response(self, kind: int, message: Message, number: int) -> None:
        self.came[number] = kind, message
