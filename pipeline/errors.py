"""The one tree of errors, by what they mean for the run.

    PlacierError
     ├── UsageError        exit 2   a wrong word on the command line, a wrong key in a file: a person mends it
     ├── MissingFile       exit 4   the day file is not there (yet): the next run looks again
     ├── Held              exit 5   a guard holds something: `placier approve`
     │    └── Emptied                the platform lacks what was there: another account, or somebody emptied it
     ├── Busy              exit 75  another run of this account is under way
     └── Failure           exit 1   this run failed, nothing was half-done
          ├── Defect                something unforeseen: the kind of exception and its place, never its words
          ├── UntrustedFile         the file as a whole cannot be trusted: nothing of it was taken
          │    └── StillChanging    it is still being written: a run that waits looks again
          ├── SourceError           the box office's server refused, or was not who it should be
          │    └── SourceUnavailable     a passing fault that outlived its retries: a run that waits looks again
          ├── StateError            the database or the archive cannot be read or written
          ├── EngineUnavailable     the Dask cluster is away, or lost its workers: the same command again
          └── PlatformError         the mailing platform refused
               └── PlatformUnavailable  a passing fault that outlived its retries: the next run goes on

A message says what, where, and the command to type next.  It never holds an address, a token or a line's text.
Foreign exceptions (paramiko, httpx, SQLAlchemy, pydantic) are turned into these in the module that calls the library.
"""

from __future__ import annotations

import traceback
from typing import ClassVar


class PlacierError(Exception):
    """Something that a person can understand: `message` (what and where) and `remedy` (what to type next)."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __reduce__(self) -> tuple[object, ...]:
        """Whole when it comes from another process, whatever it was made of."""
        return _again, (type(self), self.args, dict(self.__dict__))


def _again(kind: type[PlacierError], words: tuple[object, ...], facts: dict[str, object]) -> PlacierError:
    error = kind.__new__(kind, *words)
    error.__dict__.update(facts)
    return error


class UsageError(PlacierError):
    """The command line or the configuration is wrong."""

    exit_code = 2


class MissingFile(PlacierError):
    """The day file, or half of the day, is not at the source."""

    exit_code = 4


class Held(PlacierError):
    """A guard holds operations until somebody approves them."""

    exit_code = 5


class Emptied(Held):
    """The platform lacks `lacking` groups or people that should be there; `fingerprint` says which."""

    def __init__(self, message: str, remedy: str, lacking: int, fingerprint: str) -> None:
        super().__init__(message, remedy)
        self.lacking = lacking
        self.fingerprint = fingerprint


class Busy(PlacierError):
    """Another run of the same account holds its lock."""

    exit_code = 75


class Failure(PlacierError):
    """The run failed; what was accepted before stays, nothing is half-done."""


class Defect(Failure):
    """Something that Placier did not foresee: told by its kind and place alone, for its words may hold personal data."""


def unforeseen(error: Exception) -> Defect:
    """What to tell of an exception that nobody foresaw."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "pipeline" in frame.filename] or list(frames)
    where = f"{ours[-1].filename.rpartition('/')[2]} line {ours[-1].lineno}" if ours else "an unknown place"
    return Defect(f"unforeseen {type(error).__name__} in {where}", "this is a defect: report it with these words")


class UntrustedFile(Failure):
    """The file cannot be trusted as a whole: nothing of it was taken."""


class StillChanging(UntrustedFile):
    """The file's size is still changing: the box office has not finished writing it."""


class SourceError(Failure):
    """The box office's server cannot be used."""


class SourceUnavailable(SourceError):
    """A fault of the network, or of a server that is silent or gone, that outlived its retries."""


class StateError(Failure):
    """The database or a folder of the state cannot be used."""


class EngineUnavailable(Failure):
    """The Dask cluster cannot be reached, or lost what it was doing."""


class PlatformError(Failure):
    """The platform refused a request."""


class PlatformUnavailable(PlatformError):
    """The platform did not answer properly within the retries."""
