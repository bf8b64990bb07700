"""Ledger rows -> what each contact should be (pure): fields, consent, and a seat per group.

Whom a cancellation concerns is decided here too, order before person: by the transaction first, then by the address.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from pipeline import policy
from pipeline.fields import FIELDS, MAX_TEXT, REGULAR
from pipeline.schema import Row


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
    bookings: Sequence[Row],
    cancellations: Sequence[Row],
    owners: Sequence[Row],
    rules: Rules,
    *,
    bare: Collection[str] = (),
) -> dict[str, Desired]:
    """What the ledger asks for the contacts of `bookings`, by address.

    `bookings`: all current bookings of the contacts; `cancellations`: all current ones that may concern them;
    `owners`: the columns OWNER of every booking of the cancellations' transactions; `bare`: whose fields nobody asks for.
    """
    held: dict[str, list[Row]] = {}
    for booking in bookings:
        held.setdefault(str(booking["email"]), []).append(booking)
    for rows in held.values():
        rows.sort(key=_purchase_order)
    acts: dict[str, list[Row]] = {}
    for act in resolve(cancellations, owners, held):
        acts.setdefault(str(act["email"]), []).append(act)
    found = {email: _desired(email, rows, acts.get(email, []), rules) for email, rows in held.items()}
    return {
        email: one if email in bare else _filled(one, held[email], acts.get(email, []), rules)
        for email, one in found.items()
    }


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
    return group_key(row["show_key"], row["performance_key"], groups)


def group_key(show_key: object, performance_key: object, groups: str) -> str | None:
    """The group of a booking; None when it gives no seat but in the general group."""
    if show_key is None or groups == "general-only":
        return None
    return f"performance:{performance_key}" if groups == "per-performance" else f"show:{show_key}"


def fully_cancelled(booking: Row, acts: Sequence[Row]) -> bool:
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


def _counting(rows: Sequence[Row], acts: Sequence[Row], rules: Rules) -> Sequence[Row]:
    """The bookings that count as purchases and for the consent."""
    return rows if rules.cancelled_counts or not acts else [row for row in rows if not fully_cancelled(row, acts)]


def _desired(email: str, rows: Sequence[Row], acts: Sequence[Row], rules: Rules) -> Desired:
    """Consent, seats and contact ids; the fields are lacking yet."""
    counting = _counting(rows, acts, rules)
    return Desired(
        email=email,
        values={},
        consent_date=date.fromisoformat(str(counting[-1]["booked_on"])) if counting else None,
        consent_proof="",
        known_at=max(_whole(row["booked_at"]) for row in rows),
        contact_ids=frozenset(str(row["contact_id"]) for row in rows if row["contact_id"]),
        seats=_seats(rows, acts, rules),
    )


def _filled(bare: Desired, rows: Sequence[Row], acts: Sequence[Row], rules: Rules) -> Desired:
    """Rules 2 and 3: the purchase's fields from the last one, the person's own the latest non-empty of all."""
    counting = _counting(rows, acts, rules)
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
    proof = ""
    if last is not None:
        day = str(last["performance_start"] or "")[:10]
        proof = policy.consent_proof(str(last["show_title"] or ""), day, str(last["transaction_id"]))
    return replace(bare, values=values, consent_proof=proof, shortened=shortened)


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
