"""Sentences of answers that know what they say, so that a page can say the same in another language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

SENTENCES: Mapping[str, str] = {
    # On what basis we may write
    "own": "the platform's own consent ({kept})",
    "implied": "implied (active-clients)",
    # Why somebody is (not) in a group
    "everybody": "every contact that was sent is in it",
    "deleted": "staff deleted the group on the platform",
    "deleted_show": "staff deleted the group on the platform; a new purchase brings it back",
    "suppressed": "never sent: {reason}",
    "nothing_counts": "no booking counts",
    "ended": "not sent: the consent has ended (expired)",
    "soon": "not sent yet: the next run will",
    "not_sent": "not sent",
    "purged": "in since before the bookings were purged",
    "corrected": "a corrected file took the booking back",
    "bought": "bought on {when}",
    "bought_but": "bought on {when}, but {why}",
    "cancelled": "cancelled on {when}",
    "before": "in since a purchase before the show",
    "late": "the show ended on {day}, more than {grace} days before the purchase was sent",
}


class Said(str):
    """A sentence of `SENTENCES` as a text; its `code`, and the `values` in it."""

    __slots__ = ("code", "values")
    code: str
    values: Mapping[str, object]

    def __new__(cls, code: str, /, **values: object) -> Self:
        """The sentence called `code`, with its values."""
        said = super().__new__(cls, SENTENCES[code].format(**values))
        said.code, said.values = code, values
        return said
