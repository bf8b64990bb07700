"""What does the work of a night: this machine, or a Dask cluster.

An engine merges what is laid out in parts, and does a thing for each of many accounts.  The rules are the same functions
on both: what an engine decides is where they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from pipeline.errors import PlacierError

if TYPE_CHECKING:
    from pipeline.merge import Entries
    from pipeline.spill import Spill

Result = TypeVar("Result")


class Engine(Protocol):
    """Where the parts of a load are merged, and where the accounts of a run are walked."""

    @property
    def spreads(self) -> bool:
        """Whether `each` leaves this process: then what it is given must be fit to travel."""
        ...

    def entries(self, lines: Spill, account: str) -> Entries:
        """What the lines of one load come to; under the account's lock."""
        ...

    def each(self, do: Callable[[str], Result], accounts: Sequence[str]) -> Iterator[tuple[str, Result | PlacierError]]:
        """Do it for each account; what came of it, or why nothing did, in the order in which they end."""
        ...

    def look(self) -> str:
        """What there is to work with, in a sentence; PlacierError when it cannot be used."""
        ...

    def close(self) -> None:
        """Let go of what was opened; nothing of ours stays on the storage."""
        ...
