"""Lines -> bookings and cancellations -> what each contact should be (pure, columnar).

Two steps.  `aggregate` turns the lines of one load (a day, or a backfill file) into ledger rows.  `project` turns the
ledger rows of some contacts into what the policy asks for them: fields, consent, and a seat per group.  Python touches
single rows only for bookings of several lines, and to build the values that leave this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd
import pyarrow as pa

from pipeline import policy
from pipeline.fields import FIELDS, MAX_TEXT, REGULAR

Row = dict[str, object]

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


@dataclass(frozen=True, slots=True)
class Entries:
    """The ledger rows of one load, as records with the columns BOOKING and CANCELLATION plus `file` and `lines`.

    `file` is the position of the file (of the first line) in the load, `lines` its line numbers as `2,3`.  Instants are
    integer microseconds since 1970 UTC; days and `performance_start` are local ISO texts.
    """

    bookings: list[Row]
    cancellations: list[Row]


def aggregate(tables: Sequence[pa.Table]) -> Entries:
    """Rule 1: the lines of one (transaction, performance) become one booking; those of one cancellation, one as well.

    `tables` are the files of the load, each of the schema `LINES`.
    """
    parts = [_frame(table).assign(file=number) for number, table in enumerate(tables)]
    lines = pd.concat(parts, ignore_index=True) if parts else _frame(pa.schema([]).empty_table())
    if lines.empty:
        return Entries([], [])
    _add_keys(lines)
    purchases = lines[lines["operation"] == "purchase"]
    cancellations = lines[lines["operation"] == "cancellation"]
    return Entries(_bookings(purchases), _cancellations(cancellations))


def _frame(table: pa.Table) -> pd.DataFrame:
    columns: dict[str, object] = {}
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_timestamp(column.type):
            columns[name] = column.cast(pa.int64()).to_numpy()
        elif pa.types.is_date(column.type):
            columns[name] = column.cast(pa.string()).to_pandas().astype(object)
        elif pa.types.is_integer(column.type):
            columns[name] = column.to_numpy()
        else:
            columns[name] = column.to_pandas().astype(object)
    frame = pd.DataFrame(columns)
    texts = [name for name in frame.columns if frame[name].dtype == object]
    frame[texts] = frame[texts].where(frame[texts].notna(), None)
    return frame


def _add_keys(lines: pd.DataFrame) -> None:
    shows = lines[["show_id", "show_title"]].drop_duplicates()
    show_keys = {pair: policy.show_key(*pair) for pair in shows.itertuples(index=False, name=None)}
    lines["show_key"] = _looked_up(show_keys, lines, ["show_id", "show_title"])
    columns = ["performance_id", "show_title", "performance_start"]
    performances = lines[columns].drop_duplicates()
    performance_keys = {
        triple: policy.performance_key(*triple) for triple in performances.itertuples(index=False, name=None)
    }
    lines["performance_key"] = _looked_up(performance_keys, lines, columns)


def _looked_up(
    keys: Mapping[tuple[object, ...], str | None], lines: pd.DataFrame, columns: list[str]
) -> pd.Series[str]:
    found = [keys[combination] for combination in zip(*(lines[column] for column in columns), strict=True)]
    return pd.Series(found, index=lines.index, dtype=object)


def _bookings(purchases: pd.DataFrame) -> list[Row]:
    """One row per booking; only those of several lines are looked at line by line."""
    lines = purchases.rename(columns={"transaction_at": "booked_at", "transaction_on": "booked_on"})
    several = lines.duplicated(["transaction_id", "performance_key"], keep=False)
    rows = _records(lines[~several], [*BOOKING, "file", "line"])
    for row in rows:
        row["lines"] = str(row.pop("line"))
    together = _grouped(_records(lines[several], [*BOOKING, "file", "line"]), ("transaction_id", "performance_key"))
    rows.extend(_one_booking(group) for group in together)
    return rows


def _one_booking(group: Sequence[Row]) -> Row:
    row: Row = {column: _first(line[column] for line in group) for column in (*BOOKING[:3], *CARRIED)}
    row["booked_at"] = max(_whole(line["booked_at"]) for line in group)
    row["booked_on"] = max(str(line["booked_on"]) for line in group)
    row["tickets"] = sum(_whole(line["tickets"]) for line in group)
    row["net_cents"] = sum(_whole(line["net_cents"]) for line in group)
    row.update((column, policy.joined(str(line[column] or "") for line in group)) for column in JOINED)
    return row | _place(group)


def _cancellations(lines: pd.DataFrame) -> list[Row]:
    """One row per (transaction, performance, instant): the lines of one act are summed."""
    lines = lines.rename(columns={"transaction_at": "cancelled_at", "transaction_on": "cancelled_on"})
    rows: list[Row] = []
    for group in _grouped(
        _records(lines, [*CANCELLATION, "file", "line"]), ("transaction_id", "performance_key", "cancelled_at")
    ):
        row: Row = {column: _first(line[column] for line in group) for column in CANCELLATION}
        row["tickets"] = sum(_whole(line["tickets"]) for line in group)
        rows.append(row | _place(group))
    return rows


def _grouped(records: Iterable[Row], key: tuple[str, ...]) -> Iterable[list[Row]]:
    groups: dict[tuple[object, ...], list[Row]] = {}
    for record in records:
        groups.setdefault(tuple(record[column] for column in key), []).append(record)
    return groups.values()


def _place(group: Sequence[Row]) -> Row:
    file = group[0]["file"]
    return {"file": file, "lines": ",".join(str(line["line"]) for line in group if line["file"] == file)}


def _first(column: Iterable[object]) -> object:
    return next((value for value in column if value is not None), None)


def _records(frame: pd.DataFrame, columns: Sequence[str]) -> list[Row]:
    lists = [frame[column].tolist() for column in columns]
    return [dict(zip(columns, values, strict=True)) for values in zip(*lists, strict=True)]


# Projection


@dataclass(frozen=True, slots=True)
class Rules:
    """The part of the policy that the projection needs."""

    groups: str
    cancellation: str
    cancelled_counts: bool


@dataclass(frozen=True, slots=True)
class Seat:
    """What the ledger says of one contact and one group.

    `reach`: the last day on which a performance that still counts ended (None: nothing counts any more, the contact is
    out); `booked_at`, `cancelled_at`: the latest booking and cancellation, in microseconds; `titles`: what the group
    would be called after.
    """

    group_key: str
    reach: str | None
    booked_at: int | None
    cancelled_at: int | None
    show_title: str = ""
    performance_start: str = ""
    show_id: str = ""
    performance_id: str = ""


@dataclass(frozen=True, slots=True)
class Desired:
    """What the ledger asks for one contact.

    `values` by field key, empty ones left out; the consent is None when no booking counts; `known_at` is the latest
    booking's time in microseconds; `shortened` counts the texts that were cut.
    """

    email: str
    values: Mapping[str, str | int | float]
    consent_date: date | None
    consent_proof: str
    known_at: int
    contact_ids: frozenset[str]
    seats: Mapping[str, Seat]
    shortened: int = 0


def project(
    bookings: Sequence[Row], cancellations: Sequence[Row], owners: Sequence[Row], rules: Rules
) -> dict[str, Desired]:
    """What the ledger asks for the contacts of `bookings`, by address.

    `bookings`: all current bookings of the contacts; `cancellations`: all current ones that may concern them;
    `owners`: the columns OWNER of every booking of the cancellations' transactions.
    """
    held: dict[str, list[Row]] = {}
    for booking in bookings:
        held.setdefault(str(booking["email"]), []).append(booking)
    for rows in held.values():
        rows.sort(key=_purchase_order)
    acts: dict[str, list[Row]] = {}
    for act in resolve(cancellations, owners, held):
        acts.setdefault(str(act["email"]), []).append(act)
    return {email: _desired(email, rows, acts.get(email, []), rules) for email, rows in held.items()}


def _purchase_order(row: Row) -> tuple[object, ...]:
    return tuple(row[column] or "" for column in policy.LAST_PURCHASE_ORDER)


def resolve(cancellations: Iterable[Row], owners: Iterable[Row], held: Mapping[str, Sequence[Row]]) -> list[Row]:
    """Rule 7: whom each cancellation concerns: the buyer of its transaction, else the address it carries.

    Returns one record per (cancellation, contact) with `email` the contact's, show and performance the booking's; a
    cancellation that concerns nobody (yet) gives none.  `held` are the bookings by address.
    """
    by_transaction: dict[object, list[Row]] = {}
    for owner in owners:
        by_transaction.setdefault(owner["transaction_id"], []).append(owner)
    resolved: list[Row] = []
    for cancellation in cancellations:
        bought = by_transaction.get(cancellation["transaction_id"])
        if bought:
            found = _owners(cancellation, bought)
        else:
            theirs = held.get(str(cancellation["email"]), ())
            found = _owners(cancellation, [row for row in theirs if same_show(cancellation, row)])[:1]
        resolved.extend({**cancellation, **owner} for owner in found)
    return resolved


def _owners(cancellation: Row, bought: Sequence[Row]) -> list[Row]:
    """Whom and what it concerns: the same performance of those bought, else the same show, else its buyer.

    A cancellation that names no show, or no performance of it, concerns all those that were bought.
    """
    same = [row for row in bought if same_performance(cancellation, row)]
    vague = cancellation["performance_start"] is None and not _by_id(cancellation["performance_key"])
    shows = [row for row in bought if cancellation["show_key"] is None or same_show(cancellation, row)]
    if same or (shows and (vague or cancellation["show_key"] is None)):
        return [{key: row[key] for key in ("email", "show_key", "performance_key")} for row in same or shows]
    if shows:
        first = min(shows, key=lambda row: str(row["email"]))
        return [{"email": first["email"], "show_key": first["show_key"]}]
    return [{"email": min(str(row["email"]) for row in bought)}] if bought else []


def same_show(one: Row, other: Row) -> bool:
    """Whether two rows are of one show: by id where both have one, else by title."""
    if one["show_key"] == other["show_key"]:
        return one["show_key"] is not None
    if _by_id(one["show_key"]) and _by_id(other["show_key"]):
        return False
    title = policy.normalised(str(one["show_title"] or ""))
    return title != "" and title == policy.normalised(str(other["show_title"] or ""))


def same_performance(one: Row, other: Row) -> bool:
    """Whether two rows are of one performance: by id where both have one, else by show and start."""
    if one["performance_key"] == other["performance_key"]:
        return True
    if _by_id(one["performance_key"]) and _by_id(other["performance_key"]):
        return False
    start = one["performance_start"]
    return start is not None and start == other["performance_start"] and same_show(one, other)


def _by_id(key: object) -> bool:
    return str(key).startswith("id:")


def _group_key(row: Row, groups: str) -> str | None:
    if row["show_key"] is None or groups == "general-only":
        return None
    return f"performance:{row['performance_key']}" if groups == "per-performance" else f"show:{row['show_key']}"


def _fully_cancelled(booking: Row, acts: Sequence[Row]) -> bool:
    """As many tickets were cancelled, at the booking's time or later, as were bought."""
    key = (booking["transaction_id"], booking["performance_key"])
    counts = [
        _whole(act["tickets"])
        for act in acts
        if (act["transaction_id"], act["performance_key"]) == key
        and _whole(act["cancelled_at"]) >= _whole(booking["booked_at"])
    ]
    return bool(counts) and sum(counts) >= _whole(booking["tickets"])


def _seats(rows: Sequence[Row], acts: Sequence[Row], rules: Rules) -> dict[str, Seat]:
    """A seat for each group with a booking or a cancellation of this contact; `rows` in the order of purchase."""
    bought: dict[str, list[Row]] = {}
    cancelled: dict[str, list[Row]] = {}
    for found, rows_or_acts in ((bought, rows), (cancelled, acts)):
        for row in rows_or_acts:
            if (key := _group_key(row, rules.groups)) is not None:
                found.setdefault(key, []).append(row)
    return {
        key: _seat(key, bought.get(key, []), cancelled.get(key, []), rules.cancellation) for key in bought | cancelled
    }


def _seat(key: str, rows: Sequence[Row], acts: Sequence[Row], cancellation: str) -> Seat:
    """Rule 7: `any` cancellation takes out, a purchase after it puts back; `exact`: out when no ticket is left."""
    cancelled_at = max((_whole(act["cancelled_at"]) for act in acts), default=None)
    counting = rows
    if cancelled_at is not None and cancellation == "any":
        counting = [row for row in rows if _whole(row["booked_at"]) > cancelled_at]
    elif cancelled_at is not None and sum(_whole(row["tickets"]) for row in rows) <= sum(
        _whole(act["tickets"]) for act in acts
    ):
        counting = []
    newest = rows[-1] if rows else {}
    return Seat(
        group_key=key,
        reach=max((str(row["performance_end_on"]) for row in counting if row["performance_end_on"]), default=None),
        booked_at=max((_whole(row["booked_at"]) for row in rows), default=None),
        cancelled_at=cancelled_at,
        show_title=_latest(rows, "show_title") or "",
        performance_start=str(newest.get("performance_start") or ""),
        show_id=str(newest.get("show_id") or ""),
        performance_id=str(newest.get("performance_id") or ""),
    )


def _desired(email: str, rows: Sequence[Row], acts: Sequence[Row], rules: Rules) -> Desired:
    """Rules 2 and 3: the purchase's fields from the last one, the person's own the latest non-empty of all."""
    counting = rows if rules.cancelled_counts else [row for row in rows if not _fully_cancelled(row, acts)]
    last = counting[-1] if counting else None
    values: dict[str, str | int | float] = {}
    shortened = 0
    for field in FIELDS:
        raw = _latest(rows, field.key) if field.personal else _of_purchase(field.key, last)
        if raw is None or raw == "":
            continue
        if isinstance(raw, str):
            short = policy.cut(raw, MAX_TEXT)
            shortened += short != raw
            values[field.key] = short
        else:
            values[field.key] = raw
    for key in REGULAR:
        if raw := _latest(rows, key):
            values[key] = policy.cut(str(raw), MAX_TEXT)
    consent_date = date.fromisoformat(str(last["booked_on"])) if last is not None else None
    proof = ""
    if last is not None:
        day = str(last["performance_start"] or "")[:10]
        proof = policy.consent_proof(str(last["show_title"] or ""), day, str(last["transaction_id"]))
    return Desired(
        email=email,
        values=values,
        consent_date=consent_date,
        consent_proof=proof,
        known_at=max(_whole(row["booked_at"]) for row in rows),
        contact_ids=frozenset(str(row["contact_id"]) for row in rows if row["contact_id"]),
        seats=_seats(rows, acts, rules),
        shortened=shortened,
    )


def _latest(rows: Sequence[Row], key: str) -> str | None:
    return next((str(row[key]) for row in reversed(rows) if row[key]), None)


def _of_purchase(key: str, last: Row | None) -> str | int | float | None:
    if last is None:
        return None
    if key == "net_amount":
        return _whole(last["net_cents"]) / 100
    if key == "performance_date":
        return str(last["performance_start"])[:10] if last["performance_start"] else None
    value = last[key]
    if key == "tickets":
        return _whole(value)
    return None if value is None else str(value)


def _whole(value: object) -> int:
    return int(value)  # type: ignore[call-overload, no-any-return]
