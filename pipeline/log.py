"""Logs: a fixed phrase and keys, on stderr; one canonical line per run.  No addresses, no tokens, no bodies."""

from __future__ import annotations

import io
import logging
import re
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, TextIO

import structlog

ADDRESS = re.compile(r"([^\s@<>\"',;:()\[\]]{1,64})@([^\s@<>\"',;:()\[\]]+\.[^\s@<>\"',;:()\[\]]+)")
CONTROL = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]")
Event = MutableMapping[str, Any]
"""structlog hands events around as dictionaries of anything."""


def set_up(form: str, *, verbose: bool) -> structlog.typing.FilteringBoundLogger:
    """Log to stderr as `console` or `json`; below warnings only when `verbose`."""
    renderer: structlog.typing.Processor
    if form == "json":
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            masked,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO if verbose else logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(_Forgiving(sys.stderr)),  # type: ignore[arg-type]  # it writes and flushes
        cache_logger_on_first_use=False,
    )
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # its tracebacks tell nothing that our errors do not
    return structlog.get_logger()  # type: ignore[no-any-return]


class _Forgiving(io.TextIOBase):
    """A stream that loses what cannot be written (a full disk): a night does not fail for its log."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or not."""
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or not."""
        with suppress(OSError):
            self._stream.flush()


def masked(_logger: object, _method: str, event: Event) -> Event:
    """Mask addresses and control characters in every text of an event, however deep."""
    return {key: _clean(value) for key, value in event.items()}


def mask(text: str) -> str:
    """A text whose addresses show their first letter and their domain only, on one line."""
    return CONTROL.sub(" ", ADDRESS.sub(lambda found: f"{found[1][:1]}***@{found[2]}", text))


def _clean(value: object) -> object:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value
