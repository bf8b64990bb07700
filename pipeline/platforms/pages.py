"""A list of the platform, page by page, to its end; never half of it.

What is missing in a list would be taken for gone: a group for deleted, a person for somebody who never unsubscribed.  So
a list that is not whole is PlatformError: an empty page before the end, a page that came already, no end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from pipeline.errors import PlatformError
from pipeline.platforms import wire
from pipeline.platforms.reply import JsonObject, public

PAGE = 10_000
"""Entries a page: the most that the platform gives."""
MOST_PAGES = 1_000
Ask = Callable[[str, Mapping[str, str | int]], JsonObject]


def pages(
    ask: Ask, path: str, collection: str, query: Mapping[str, str]
) -> Iterator[tuple[list[JsonObject], int | None]]:
    """The pages of the list at `path` with its total count, until as many rows as it counts were read, or one is empty."""
    read, seen = 0, set()
    for page in range(1, MOST_PAGES + 1):
        body = ask(path, {**query, "page": page, "limit": PAGE})
        rows, count = wire.rows(body, collection, path), wire.total(body)
        mark = hash(tuple(wire.mark(row) for row in rows))
        if rows and mark in seen:
            raise _not_whole(path, f"page {page} came already")
        seen.add(mark)
        read += len(rows)
        if not rows and read < (count or 0):
            raise _not_whole(path, f"{read} entries came of {count}")
        if rows and (count or 0) - read > len(rows) * MOST_PAGES:
            raise _not_whole(path, f"{count} entries, {len(rows)} a page")
        yield rows, count
        if not rows or (read >= count if count is not None else len(rows) < PAGE):
            return
    raise _not_whole(path, f"no end after {MOST_PAGES} pages")


def _not_whole(path: str, why: str) -> PlatformError:
    return PlatformError(f"GET {public(path)}: the list is not whole: {why}", "`placier push` looks again")
