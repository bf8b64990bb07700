"""This machine: one part after the other, one account after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from pipeline.engines import Result
from pipeline.errors import PlacierError

if TYPE_CHECKING:
    from pipeline.merge import Entries
    from pipeline.spill import Spill


class Local:
    """The engine that needs nothing."""

    spreads = False

    def entries(self, lines: Spill, account: str) -> Entries:
        """What the lines come to, a part at a time, each time they are asked for."""
        from pipeline.merge import Entries

        return Entries.of(lines)

    def each(self, do: Callable[[str], Result], accounts: Sequence[str]) -> Iterator[tuple[str, Result | PlacierError]]:
        """In the order given."""
        for account in accounts:
            try:
                yield account, do(account)
            except PlacierError as error:
                yield account, error

    def look(self) -> str:
        """Nothing can be wrong with it."""
        return "this process does everything"

    def close(self) -> None:
        """Nothing was opened."""


LOCAL = Local()
