"""One person: may we write to them, and what happened; and whose consent is about to end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial

from babel.numbers import format_decimal
from sqlalchemy import Connection
from starlette.responses import Response

from pipeline import answers
from pipeline.config import Account
from pipeline.console.asked import Asked
from pipeline.project import resolve
from pipeline.said import Said
from pipeline.store.acknowledged import State
from pipeline.store.ledger import Ledger

ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d")
WITHIN = (30, 60, 90)
RANKS = {"given": 0, "renewed": 0, "kept": 0, "joined": 1, "left": 1, "gone": 1, "bought": 2, "cancelled": 3}
"""Of what happened on one day, what comes first: a night is early in the morning."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened to a person: `what`, on which day, the instant where it is known, and who said so."""

    what: str
    day: date
    values: Mapping[str, object] = field(default_factory=dict)
    at: datetime | None = None
    file: str = ""
    lines: str = ""


def question(asked: Asked) -> Response:
    """Who is asked about."""
    return asked.page("contact.html", email="", on="", answer=None, moments=(), fault="")


def answer(asked: Asked) -> Response:
    """What is known of a person, on a day."""
    email, on = asked.form.get("email", ""), asked.form.get("on", "")
    try:
        day = date.fromisoformat(on) if on else None
    except ValueError:
        return asked.page("contact.html", 422, email=email, on=on, answer=None, moments=(), fault="bad_day")
    if "@" not in email:
        return asked.page("contact.html", 422, email=email, on=on, answer=None, moments=(), fault="bad_email")
    shown_day = day or asked.today
    with asked.state() as (connection, place):
        told = answers.why(connection, place.account, email, shown_day, past=day is not None)
        moments = timeline(connection, place.account, email.lower(), shown_day)
    return asked.page(
        "contact.html",
        email=email,
        on=on,
        answer=told,
        as_day=date.fromisoformat,
        moments=moments,
        fault="",
        day=shown_day,
        told=partial(said, asked),
        written=partial(_written, asked),
    )


def expiring(asked: Asked) -> Response:
    """The consents that end soon."""
    asked_for = asked.request.query_params.get("within", "")
    within = int(asked_for) if asked_for in {str(days) for days in WITHIN} else WITHIN[0]
    with asked.state() as (connection, place):
        found = answers.expiring(connection, place.account, within, asked.today)
    contacts = found["contacts"]
    rows = [
        (date.fromisoformat(contact["consent_until"]), asked.shown(contact["email"]), contact["show_title"] or "")
        for contact in (contacts if isinstance(contacts, list) else [])
    ]
    return asked.page("expiring.html", within=within, choices=WITHIN, rows=rows, masked=not asked.whole_addresses)


def timeline(connection: Connection, account: Account, email: str, on: date) -> list[Moment]:
    """What happened to a person through the day `on`, the latest first."""
    found = [*_deeds(connection, account, email), *_consents(connection, account, email, on)]
    found += _seats(connection, account, email)
    told = [moment for moment in found if moment.day <= on]
    return sorted(told, key=lambda each: (each.day, RANKS.get(each.what, 4), each.at or datetime.min), reverse=True)  # noqa: DTZ901


def _deeds(connection: Connection, account: Account, email: str) -> list[Moment]:
    """What the person bought and cancelled."""
    ledger = Ledger(connection, account.name)
    bookings = ledger.bookings_of(email)
    cancellations = ledger.cancellations_for(email)
    owners = ledger.owners(act["transaction_id"] for act in cancellations)
    theirs = [act for act in resolve(cancellations, owners, {email: bookings}) if act["email"] == email]
    deeds = [("bought", "booked_at", booking) for booking in bookings]
    deeds += [("cancelled", "cancelled_at", act) for act in theirs]
    moments = []
    for what, when, row in deeds:
        at = datetime.fromtimestamp(int(str(row[when])) / 1_000_000, UTC)
        start = str(row["performance_start"] or "")[:10]
        values = {
            "n": int(str(row["tickets"])),
            "title": row["show_title"] or "",
            "performance": date.fromisoformat(start) if start else "",
            "transaction": row["transaction_id"],
        }
        moments.append(Moment(what, at.astimezone(account.zone).date(), values, at))
    return moments


def _consents(connection: Connection, account: Account, email: str, on: date) -> list[Moment]:
    """What happened to the consent."""
    return [
        Moment(
            str(act["act"]),
            date.fromisoformat(str(act["day"])),
            {
                "start": date.fromisoformat(str(act["consent_date"])) if act["consent_date"] else "",
                "proof": act["proof"],
                "basis": act["basis"],
            },
            file=str(act["file"]),
            lines=str(act["lines"]).replace(",", ", "),
        )
        for act in answers.acts(connection, account, email, on)
    ]


def _seats(connection: Connection, account: Account, email: str) -> list[Moment]:
    """The groups that the person was put in or taken out of; of each, what was last."""
    state = State(connection, account.name)
    titles = {key: group.title for key, group in state.groups().items()}
    words = {"in": "joined", "out": "left", "gone": "gone"}
    seats = state.memberships([email]).get(email, {})
    return [
        Moment(words[seat.state], seat.given_on, {"title": titles.get(key, key)}) for key, seat in sorted(seats.items())
    ]


def said(asked: Asked, sentence: object) -> str:
    """A sentence of an answer, in the language of whoever asks."""
    if not isinstance(sentence, Said):
        return str(sentence)
    words = asked.words
    values: dict[str, object] = {}
    for name, value in sentence.values.items():
        if name == "when":
            moment = datetime.fromisoformat(str(value))
            values[name] = words.moment(moment.replace(tzinfo=asked.own.zone), asked.own.zone)
        elif name == "day":
            values[name] = words.day(date.fromisoformat(str(value)))
        elif name == "reason":
            values[name] = words.name("skip", str(value))
        else:
            values[name] = said(asked, value) if isinstance(value, Said) else value
    return words.say(f"said.{sentence.code}", **values)


def _written(asked: Asked, value: object) -> str:
    """A field's value as people write it: amounts with two decimals, days in words."""
    if isinstance(value, float):
        return format_decimal(value, format="#,##0.00", locale=asked.words.locale)
    if isinstance(value, str) and ISO_DAY.fullmatch(value):
        return asked.words.day(date.fromisoformat(value))
    return asked.words.number(value) if isinstance(value, int) else str(value)
