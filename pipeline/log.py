"""Logs: a fixed phrase and keys, on stderr; one canonical line per run.  No addresses, no tokens, no bodies."""

from __future__ import annotations

import io
import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    import structlog

_OUTSIDE = r"\s@<>\",;:()\[\]"
"""What stands between addresses; an apostrophe is part of one, unless it opens it."""
ADDRESS = re.compile(
    rf"""(?:(?<![^{_OUTSIDE}])'*([^{_OUTSIDE}'])[^{_OUTSIDE}]*+|"([^"\n])[^"\n]{{0,63}}")@([^{_OUTSIDE}']+\.[^{_OUTSIDE}']+)"""
)
"""An address, its name quoted or not: its first letter, and its domain."""
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a terminal, a log or a page would obey rather than show: controls, line ends, turns of the writing direction."""
Event = MutableMapping[str, Any]
"""structlog hands events around as dictionaries of anything."""


class Log(Protocol):
    """Takes events: a fixed phrase and keys."""

    def info(self, event: str, **keys: Any) -> None:  # keys are of any kind
        """What went as it should."""

    def warning(self, event: str, **keys: Any) -> None:
        """What somebody should look at."""

    def error(self, event: str, **keys: Any) -> None:
        """What ended the command."""


def set_up(form: str, *, verbose: bool = False, colours: bool = False) -> Log:
    """Log to stderr as `console` or `json`; below warnings only when `verbose`."""
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # its tracebacks tell nothing that our errors do not
    stream: Any = _Forgiving(sys.stderr)  # it writes and flushes
    return _Quiet(partial(_opened, stream, form, colours=colours), verbose=verbose)


def write_to(stream: TextIO, form: str, *, verbose: bool) -> Log:
    """The same log, to a stream of its own: several may be written at once."""
    return _Quiet(partial(_opened, stream, form, colours=False), verbose=verbose)


class _Quiet:
    """A log that is opened when there is something to say: most nights have nothing, and the library is large."""

    def __init__(self, opened: Callable[[], Log], *, verbose: bool) -> None:
        self._opened = opened
        self._verbose = verbose

    @cached_property
    def _log(self) -> Log:
        return self._opened()

    def info(self, event: str, **keys: Any) -> None:
        if self._verbose:
            self._log.info(event, **keys)

    def warning(self, event: str, **keys: Any) -> None:
        self._log.warning(event, **keys)

    def error(self, event: str, **keys: Any) -> None:
        self._log.error(event, **keys)


def _opened(stream: TextIO, form: str, *, colours: bool) -> Log:
    import structlog

    wrapper = structlog.make_filtering_bound_logger(logging.INFO)
    log: Log = structlog.wrap_logger(
        structlog.PrintLogger(stream), processors=_processors(form, colours=colours), wrapper_class=wrapper
    )
    return log


def _processors(form: str, *, colours: bool) -> list[structlog.typing.Processor]:
    import structlog

    renderer: structlog.typing.Processor
    if form == "json":
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    return [structlog.processors.add_log_level, stamp, masked, renderer]


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
    return {plain(key): _clean(value) for key, value in event.items()}


def mask(text: str) -> str:
    """A text whose addresses show their first letter and their domain only, on one line."""
    return plain(ADDRESS.sub(lambda found: f"{found[1] or found[2]}***@{found[3]}", text))


def plain(text: str) -> str:
    """A text on one line, blanks in the place of control characters."""
    return CONTROL.sub(" ", text)


def escaped(document: str) -> str:
    """A JSON text whose control characters are written as escapes: the same document, safe to show."""
    return CONTROL.sub(lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", document)


def _clean(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {mask(str(key)): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return mask(str(value))
