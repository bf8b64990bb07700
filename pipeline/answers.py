"""Answers to people: why somebody does (not) get an e-mail, how the account stands, whose consent is about to end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection

from pipeline import policy
from pipeline.config import Account
from pipeline.contact import Acknowledged, Kept, KnownGroup, Membership, Suppression
from pipeline.facts import rules_of, suppressed
from pipeline.naming import title_to_be
from pipeline.plan import GENERAL, seated
from pipeline.project import Desired, Seat, project
from pipeline.said import Said
from pipeline.setting import Setting
from pipeline.store.acknowledged import State
from pipeline.store.audit import CONSENTS, Act, Audit
from pipeline.store.history import History
from pipeline.store.ledger import Ledger

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of one contact on one day."""

    email: str
    desired: Desired | None
    member: Acknowledged | None
    seats: Mapping[str, Membership]
    groups: Mapping[str, KnownGroup]
    acts: Sequence[Act]
    suppressed: str | None
    pending: bool
    on: date


@dataclass(frozen=True, slots=True)
class Ground:
    """What a consent rests on.

    `kept`: the platform's own consent, when that one counts; `act`: what was acknowledged, unless the files that the
    ledger holds now say just that.
    """

    start: date
    proof: str
    kept: str
    act: Act | None


def why(connection: Connection, account: Account, email: str, on: date, *, past: bool = False) -> Json:
    """May we write to this person on the day `on`, on what basis, until when, with what proof, and who said so.

    Of a day in the `past`, the lines that its consent was relied on for are told even if the ledger has lost them since.
    """
    known = _known(connection, account, (email.strip().lower(), on), past=past)
    ground = _ground(known)
    rules = account.file.policy
    start, proof = (None, None) if ground is None else (ground.start, ground.proof)
    until = None if start is None else policy.consent_until(start, rules.consent_months)
    valid = until is not None and on <= until
    kept = _kept(known, ground)
    if kept is not None:
        valid = valid or kept.until is None or on <= kept.until
        start, until, proof = kept.on, kept.until, kept.proof or None
    basis: Said | None = None
    if ground is not None:
        basis = Said("own", kept=ground.kept) if ground.kept else Said("implied")
    told = [(name, lines) for name, lines, _ in Ledger(connection, account.name).sources(known.email, on.isoformat())]
    if past and ground is not None and ground.act is not None and ground.act.file:
        kept_since = policy.retention_start(on, rules.retention_months)
        told = [*([(ground.act.file, ground.act.lines)] if ground.start >= kept_since else []), *told]
    sources = dict.fromkeys((name, int(line)) for name, lines in told for line in lines.split(","))
    return {
        "email": known.email,
        "may_send": valid and known.suppressed is None,
        "basis": basis,
        "consent_date": None if start is None else start.isoformat(),
        "consent_until": None if until is None else until.isoformat(),
        "proof": proof,
        "sources": [{"file": name, "line": line} for name, line in sources],
        "groups": _groups(known, account),
        "fields": _fields(known),
        "suppressed": known.suppressed,
    }


def _known(connection: Connection, account: Account, who: tuple[str, date], *, past: bool) -> Known:
    email, on = who
    ledger, state = Ledger(connection, account.name), State(connection, account.name)
    day = on.isoformat()
    acts = [act for act in ledger.cancellations_for(email) if str(act["cancelled_on"]) <= day]
    bookings = [row for row in ledger.bookings_of(email) if str(row["booked_on"]) <= day]
    owners = ledger.owners(act["transaction_id"] for act in acts)
    desired = project(bookings, acts, owners, rules_of(account))
    audit = Audit(connection, account.name)
    gone = audit.suppressed(on) if past else None
    known_then = not past or email in desired or any(act.day <= on for act in audit.of(email))
    seats = state.memberships([email]).get(email, {})
    return Known(
        email=email,
        desired=desired.get(email),
        member=state.members([email]).get(email) if known_then else None,
        seats=_seats_on(on, seats, desired.get(email)) if past else seats,
        groups=state.groups(),
        acts=audit.of(email),
        suppressed=suppressed(ledger, state, [email], desired, known=gone).get(email),
        pending=email in ledger.marked(),
        on=on,
    )


def _seats_on(on: date, seats: Mapping[str, Membership], desired: Desired | None) -> dict[str, Membership]:
    """The seats as they stood at the end of a past day: what the files had not told of by then was not given yet."""
    told = {} if desired is None else {**desired.seats, GENERAL: None}
    found = {}
    for key, seat in seats.items():
        if seat.given_on <= on or key in told:
            counted = told.get(key)
            back = seat.state == "out" and seat.given_on > on and counted is not None and counted.reach is not None
            found[key] = replace(seat, state="in", given_on=on) if back else seat
    return found


def _ground(known: Known) -> Ground | None:
    """What was acknowledged by that day, unless the files tell of a later purchase."""
    act = _relied_on(known.acts, known.on)
    start, proof = (known.desired.consent_date, known.desired.consent_proof) if known.desired else (None, "")
    kept = act.basis if act is not None and act.act == "kept" else ""
    if act is None or act.consent_date is None or (start is not None and _outweighs(start, act, known.on)):
        return None if start is None else Ground(start, proof, kept, None)
    same = (act.consent_date, act.consent_proof) == (start, proof)
    return Ground(act.consent_date, act.consent_proof, kept, None if same else act)


def _kept(known: Known, ground: Ground | None) -> Kept | None:
    """The platform's own consent, if it counts for more than ours; as it was seen when the contact was last sent."""
    if ground is None or not ground.kept:
        return None
    kept = None if known.member is None else known.member.kept
    return kept if kept is not None and kept.relation == ground.kept else Kept(ground.kept)


def _outweighs(start: date, act: Act, on: date) -> bool:
    """Whether what the files say of a day counts for more: a later purchase, or as late a one, not acknowledged yet."""
    return act.consent_date is None or start > act.consent_date or (start == act.consent_date and act.day > on)


def _relied_on(acts: Sequence[Act], on: date) -> Act | None:
    """The consent that was acknowledged by the day `on`; else the latest of those that began by then and came later."""
    begun = [act for act in acts if act.act in CONSENTS and act.consent_date is not None and act.consent_date <= on]
    noted = [act for act in begun if act.day <= on]
    return noted[-1] if noted else max(begun, key=lambda act: act.consent_date or date.min, default=None)


def acts(connection: Connection, account: Account, email: str, on: date) -> list[Json]:
    """What happened to a person's consent through the day `on`, oldest first."""
    return [
        {
            "act": act.act,
            "day": act.day.isoformat(),
            "basis": act.basis,
            "consent_date": None if act.consent_date is None else act.consent_date.isoformat(),
            "proof": act.consent_proof,
            "file": act.file,
            "lines": act.lines,
            "run_id": act.run_id,
            "at": _moment(act.at),
        }
        for act in Audit(connection, account.name).of(email.strip().lower())
        if act.day <= on
    ]


def _fields(known: Known) -> Json:
    values = {} if known.member is None else dict(known.member.values)
    return dict(values if known.desired is None else {**values, **known.desired.values})


def _groups(known: Known, account: Account) -> list[Json]:
    if known.desired is None and not known.seats:
        return []
    answers = [_general(known, account)]
    seats = {} if known.desired is None else known.desired.seats
    keys = sorted({*seats, *(key for key in known.seats if key != GENERAL)})
    return [*answers, *(_show(key, seats.get(key), known, account) for key in keys)]


def _general(known: Known, account: Account) -> Json:
    membership = known.seats.get(GENERAL)
    group = known.groups.get(GENERAL)
    member = membership is not None and membership.state == "in"
    if member:
        reason = Said("everybody")
    elif membership is not None:
        reason = Said("deleted")
    else:
        reason = _not_sent(known, account)
    return {
        "title": account.file.policy.general_group if group is None else group.title,
        "member": member,
        "reason": reason,
    }


def _not_sent(known: Known, account: Account) -> Said:
    if known.suppressed:
        return Said("suppressed", reason=known.suppressed)
    start = None if known.desired is None else known.desired.consent_date
    if start is None:
        return Said("nothing_counts")
    if policy.consent_ended(start, account.file.policy.consent_months, known.on):
        return Said("ended")
    return Said("soon" if known.pending else "not_sent")


def _show(key: str, seat: Seat | None, known: Known, account: Account) -> Json:
    group, membership = known.groups.get(key), known.seats.get(key)
    member = membership is not None and membership.state == "in"
    if group is not None:
        title = group.title
    else:
        title = key.split(":", 2)[-1] if seat is None else title_to_be(key, seat, known.groups, account.file.policy)
    return {"title": title, "member": member, "reason": _show_reason(seat, membership, known, account)}


def _show_reason(seat: Seat | None, membership: Membership | None, known: Known, account: Account) -> Said:
    grace = account.file.policy.show_grace_days
    state = None if membership is None else membership.state
    if state == "gone":
        return Said("deleted_show")
    if seat is None:
        return Said("purged" if state == "in" else "corrected")
    if seated(seat, membership, known.on, grace):
        bought = _local_day(seat.booked_at, account)
        return (
            Said("bought", when=bought)
            if state == "in"
            else Said("bought_but", when=bought, why=_not_sent(known, account))
        )
    if seat.cancelled_at is not None and seat.reach is None:
        return Said("cancelled", when=_local_day(seat.cancelled_at, account))
    if state == "in":
        return Said("before")
    return Said("late", day=seat.reach, grace=grace)


def _local_day(instant: int | None, account: Account) -> str:
    moment = datetime.fromtimestamp((instant or 0) / 1_000_000, UTC).astimezone(account.zone)
    return moment.strftime("%Y-%m-%d %H:%M")


def status(connection: Connection, setting: Setting) -> Json:
    """Last runs, missing days, held and pending operations, the last success."""
    account = setting.account
    history, state = History(connection, account.name), State(connection, account.name)
    runs = history.last(10)
    success = history.last_success()
    return {
        "account": account.name,
        "last_success": None
        if success is None
        else {
            "date": None if success.date is None else success.date.isoformat(),
            "run_id": success.id,
            "finished_at": _moment(success.finished_at),
        },
        "missing_days": [day.isoformat() for day in missing_days(connection, account)],
        "held": [
            {
                "run_id": hold.run_id,
                "date": None if hold.date is None else hold.date.isoformat(),
                "reason": hold.reason,
                "operations": hold.operations,
                **({"days": sorted({gap.split()[0] for gap in hold.gaps()})} if hold.gaps() else {}),
            }
            for hold in history.open_holds()
        ],
        "pending": state.pending(),
        "runs": [
            {
                "run_id": row.id,
                "kind": row.kind,
                "date": None if row.date is None else row.date.isoformat(),
                "as_of": row.as_of.isoformat(),
                "status": row.status,
                "started_at": _moment(row.started_at),
                **({"message": row.message} if row.message else {}),
            }
            for row in runs
        ],
    }


def unused(connection: Connection, account: Account) -> bool:
    """Whether nothing was ever recorded for the account, nor tried."""
    return not History(connection, account.name).last(1) and Ledger(connection, account.name).coverage()[0] is None


def missing_days(connection: Connection, account: Account) -> list[date]:
    """The days since the first success until the last night that are not recorded, however long ago.

    Before any success: those that were looked for.  What is held is not missing.
    """
    ledger, history = Ledger(connection, account.name), History(connection, account.name)
    last_night = history.last_night()
    if last_night is None:
        return []
    missing = ledger.unrecorded_days(last_night) if ledger.coverage()[0] else sorted(history.sought_in_vain())
    held = {hold.date for hold in history.open_holds() if hold.reason != "leaves"}
    return [day for day in missing if day not in held]


def _moment(value: datetime | None) -> str | None:
    return None if value is None else value.replace(microsecond=0).isoformat() + "Z"


def came_back(connection: Connection, account: Account) -> list[Suppression]:
    """The suppressed people who are members of the platform again, by the day on which that was seen."""
    back = (entry for entry in State(connection, account.name).suppressions().values() if entry.back_on is not None)
    return sorted(back, key=lambda entry: (entry.back_on or date.min, entry.email))


def expiring(connection: Connection, account: Account, within: int, on: date) -> Json:
    """The acknowledged consents that end within so many days, soonest first; suppressed people left out."""
    state = State(connection, account.name)
    gone = state.suppressions()
    last = on + timedelta(days=within)
    found = []
    for member in state.all_members():
        if member.consent_date is None or member.email in gone or member.consent_kept:
            continue
        until = policy.consent_until(member.consent_date, account.file.policy.consent_months)
        if on <= until <= last:
            found.append((until, member.email, member.values.get("show_title")))
    contacts = [
        {"email": email, "consent_until": until.isoformat(), "show_title": title}
        for until, email, title in sorted(found, key=lambda row: row[:2])
    ]
    return {"account": account.name, "within": within, "contacts": contacts}
