"""The columns that travel through the program: names, types, units.

Instants are UTC (`timestamp[us, UTC]`), days are local dates of the account (`date32`), money is integer cents
(`int64`), texts are trimmed and empty texts are null.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

INSTANT = pa.timestamp("us", tz="UTC")
FEW = pa.dictionary(pa.int32(), pa.string())
"""Texts of which there are few distinct ones; no dictionary holds one twice, nor null."""

_COLUMNS: list[pa.Field[Any]] = [
    pa.field("line", pa.int64(), nullable=False),  # physical line number in the file; the header is 1
    pa.field("operation", FEW, nullable=False),  # "purchase" or "cancellation"
    pa.field("transaction_id", pa.string(), nullable=False),
    pa.field("transaction_at", INSTANT, nullable=False),  # of the purchase, or the moment of the cancellation
    pa.field("transaction_on", pa.date32(), nullable=False),  # the same, as the account's local day
    pa.field("initial_transaction_date", pa.date32()),  # local day
    pa.field("contact_id", pa.string()),
    pa.field("email", pa.string()),  # trimmed, lower-cased; null only on a cancellation
    pa.field("first_name", pa.string()),
    pa.field("last_name", pa.string()),
    pa.field("company", FEW),
    pa.field("company_2", FEW),
    pa.field("phone", pa.string()),
    pa.field("city", FEW),
    pa.field("postal_code", pa.string()),
    pa.field("client_created_on", pa.date32()),
    pa.field("show_id", FEW),
    pa.field("show_title", FEW),
    pa.field("performance_id", FEW),
    pa.field("performance_start", FEW),  # local "YYYY-MM-DD HH:MM:SS"; null only on a cancellation
    pa.field("performance_end_on", pa.date32()),  # local day of the end, else of the start
    pa.field("sales_channel", FEW),
    pa.field("report_category_1", FEW),
    pa.field("report_category_2", FEW),
    pa.field("report_category_3", FEW),
    pa.field("price_category", FEW),
    pa.field("price_internal_name", FEW),
    pa.field("price_group", FEW),
    pa.field("tickets", pa.int64(), nullable=False),
    pa.field("net_cents", pa.int64(), nullable=False),  # the line's total; 0 on a cancellation (it does not matter)
]
LINES = pa.schema(_COLUMNS)
"""One accepted row of a day file: transaction x performance x price category."""

Row = dict[str, object]
"""A row of the ledger by column: instants in microseconds since 1970 UTC, days and local times as ISO texts, money in cents."""

CARRIED = (
    "email",
    "contact_id",
    "first_name",
    "last_name",
    "company",
    "company_2",
    "phone",
    "city",
    "postal_code",
    "client_created_on",
    "initial_transaction_date",
    "show_id",
    "show_title",
    "performance_id",
    "performance_start",
    "performance_end_on",
    "sales_channel",
    "report_category_1",
    "report_category_2",
    "report_category_3",
)
"""Columns of a booking that its lines repeat: the first non-empty one counts."""
JOINED = ("price_category", "price_internal_name", "price_group")
"""Columns of a booking whose different values are joined."""
BOOKING = (
    "transaction_id",
    "performance_key",
    "show_key",
    "booked_at",
    "booked_on",
    *CARRIED,
    *JOINED,
    "tickets",
    "net_cents",
)
CANCELLATION = (
    "transaction_id",
    "performance_key",
    "show_key",
    "cancelled_at",
    "cancelled_on",
    "email",
    "show_title",
    "performance_start",
    "tickets",
)
OWNER = ("transaction_id", "performance_key", "show_key", "show_title", "performance_start", "email")
"""Columns of a booking that tell whom and what a cancellation concerns."""
SEATING = (
    *OWNER,
    "booked_at",
    "booked_on",
    "performance_id",
    "performance_end_on",
    "show_id",
    "contact_id",
    "tickets",
)
"""Columns of a booking that consent and seats rest on; a contact's fields need them all."""
TOUCHED = (*OWNER, "booked_at", "booked_on", "performance_end_on", "tickets")
"""Columns of a booking that tell what a cancellation in its transaction means."""

REJECT_REASONS = (
    "no_email",
    "bad_email",
    "bad_date",
    "bad_amount",
    "bad_count",
    "bad_operation",
    "no_transaction",
    "future_date",
    "bad_columns",
)
"""Why a line is set aside, in the order in which they are looked for; `bad_columns`: too many or too few values."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A line set aside: its physical number, one of `REJECT_REASONS`, its text as it stood in the file."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file said, its lines apart: how many were `accepted`, of which `operations`, and what was set aside.

    `total` counts the data lines (accepted and rejected, the header not); `ignored_columns` are the header's names that
    the mapping does not know.
    """

    accepted: int
    operations: frozenset[str]
    rejects: tuple[Reject, ...]
    total: int
    encoding: str
    delimiter: str
    ignored_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WholeReading(Reading):
    """The same of a file small enough to be held whole, with its accepted `lines` (an Arrow table of the schema `LINES`)."""

    lines: pa.Table


class _NoPandas:
    """For pyarrow, which at the first values that it takes from Python imports pandas, to see whether they are pandas'.

    None of ours ever are, and the import costs a fifth of a quiet night.  Told that there is no pandas, pyarrow works
    without; should anybody ask it for frames all the same, it looks again.
    """

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Where a module is: None leaves the answer to others."""
        if name == "pandas":
            raise ModuleNotFoundError(name=name)


def _spare_pandas() -> None:
    told: Any = _NoPandas()
    sys.meta_path.insert(0, told)
    try:
        pa.array([""])  # it asks at once, and once only
    finally:
        sys.meta_path.remove(told)


_spare_pandas()
