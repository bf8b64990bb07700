"""Batches: accepted at once, applied later, reported in one of the shapes that the switches name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import cast

from pipeline.sandbox import values
from pipeline.sandbox.consent import Consent, outranks
from pipeline.sandbox.contract import Json
from pipeline.sandbox.members import TEXTS, Batch, CustomField, Member, Store, Value
from pipeline.sandbox.switches import Switches
from pipeline.sandbox.views import day_of

FORGOTTEN = frozenset({"forget", "lose"})
"""Mishaps after which the platform no longer knows the batch."""


@dataclass(slots=True)
class Tally:
    """What became of the rows: (row number from 1, id as submitted) and, for the refused, why."""

    errors: list[tuple[int, Value, str]] = field(default_factory=list)
    successes: list[tuple[int, Value]] = field(default_factory=list)


class Batches:
    """The queue.  A batch is applied once `seconds` have passed and it was polled often enough (switch `batch_polls`)."""

    def __init__(self, store: Store, seconds: float, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._seconds = seconds
        self._monotonic = monotonic
        self._submitted = dict.fromkeys(store.unfinished(), monotonic() - seconds)

    def submit(self, batch: Batch) -> int:
        """Queue a batch; its id."""
        batch_id = self._store.add_batch(batch)
        self._submitted[batch_id] = self._monotonic()
        return batch_id

    def wiped(self) -> None:
        """Forget the queue: the store was emptied."""
        self._submitted.clear()

    @property
    def waiting(self) -> bool:
        """Whether a batch was not applied yet."""
        return bool(self._submitted)

    def settle(self, switches: Switches, now: int, *, all: bool = False) -> None:
        """Apply what is due, in the order in which it came; `all`: whatever waits, but for what never ends."""
        for batch_id in sorted(self._submitted):
            batch = self._store.batch(batch_id)
            if batch is None or batch.mishap == "stall":
                continue
            due = self._elapsed(batch_id) >= self._seconds and batch.polls >= switches.batch_polls
            if due or all:
                self._finish(batch, switches, now)

    def poll(self, batch_id: int, switches: Switches, now: int) -> Batch | None:
        """A batch as a poll finds it; None when it is unknown or forgotten."""
        batch = self._store.batch(batch_id)
        if batch is None or batch.mishap in FORGOTTEN:
            return None
        if batch_id not in self._submitted:
            return batch
        if batch.mishap != "stall" and self._elapsed(batch_id) >= self._seconds and batch.polls >= switches.batch_polls:
            self._finish(batch, switches, now)
            return self._store.batch(batch_id)
        begun = batch.polls > 0 or switches.batch_polls == 1 or self._elapsed(batch_id) >= self._seconds / 2 > 0
        status = switches.status_processing if begun else switches.status_new
        self._store.note_batch(batch_id, status, batch.polls + 1)
        return replace(batch, status=status, polls=batch.polls + 1)

    def _elapsed(self, batch_id: int) -> float:
        return self._monotonic() - self._submitted[batch_id]

    def _finish(self, batch: Batch, switches: Switches, now: int) -> None:
        del self._submitted[batch.id]
        if batch.mishap == "fail":
            self._store.finish_batch(batch.id, switches.status_failed, None)
            return
        tally = Tally()
        if batch.mishap != "lose":
            tally = (
                _add_members(self._store, batch, switches, now)
                if batch.type == "addMembers"
                else _by_id(self._store, batch, now)
            )
        shape = switches.result_shape if batch.type == "addMembers" else "ids"
        self._store.finish_batch(batch.id, switches.status_completed, shaped(tally, shape))


def shaped(tally: Tally, shape: str) -> Json:
    """The result in one of the shapes that a client may meet."""
    if shape == "empty":
        return {}
    if shape == "counts":
        return {"errorsCount": len(tally.errors), "successesCount": len(tally.successes)}
    if shape == "strings":
        return {
            "errors": [f"{id}: {description}" for _, id, description in tally.errors],
            "successes": [str(id) for _, id in tally.successes],
        }
    if shape == "ids":
        return {
            "errors": [{"id": id, "description": description} for _, id, description in tally.errors],
            "successes": [id for _, id in tally.successes],
        }
    name = "email" if shape == "objects" else "row"
    return {
        "errors": [
            {name: id if name == "email" else row, "description": description} for row, id, description in tally.errors
        ],
        "successes": [{name: id if name == "email" else row} for row, id in tally.successes],
    }


def _add_members(store: Store, batch: Batch, switches: Switches, now: int) -> Tally:
    tally = Tally()
    known = {str(item.id): item for item in store.custom_fields()}
    joinable = {group.id for group in store.groups() if not group.dynamic}
    groups = [id for id in cast(list[int], batch.body.get("groups", [])) if id in joinable]
    for row, item in enumerate(cast(list[Json], batch.body["members"]), start=1):
        email = cast(str, item["email"])
        if batch.mishap == "half" and row % 2 == 0:
            tally.successes.append((row, email))
            continue
        try:
            if email.strip().casefold() in batch.refused:
                raise ValueError("The address was refused.")
            member = _upserted(store, item, batch, switches, now, known)
        except ValueError as error:
            tally.errors.append((row, email, str(error)))
            continue
        if member is not None:
            store.join(store.save(member).id, groups)
        tally.successes.append((row, email))
    return tally


def _upserted(
    store: Store, item: Json, batch: Batch, switches: Switches, now: int, known: Mapping[str, CustomField]
) -> Member | None:
    """The member as a row of the batch leaves it; None when the row is skipped, ValueError when it is refused."""
    email = values.address(cast(str, item["email"]), switches)
    found = store.find(email)
    consent = _stated(item, batch.body, switches, now)
    member = found or Member(0, email, now)
    if member.state != "subscribed":
        arrival = switches.unsubscribed_in_batch if member.state == "unsubscribed" else switches.bounced_in_batch
        if arrival == "reject":
            raise ValueError(f"The member is {member.state}.")
        if arrival == "skip":
            return None
    elif found is not None and switches.consent_override == "better":
        older = switches.older_date == "applied"
        consent = consent if outranks(consent, member.consent, older_applied=older) else member.consent
    return replace(
        member,
        texts=_texts(item, member.texts, switches),
        fields=_fields(cast(dict[str, Value], item.get("customFields", {})), member.fields, switches, known),
        updated=None if found is None else now,
        state="subscribed",
        left=None,
        consent=consent,
    )


def _stated(item: Json, body: Json, switches: Switches, now: int) -> Consent:
    """The consent that a row states: its own date and proof, else the batch's."""
    text = cast(str, item.get("consentDate") or body.get("defaultConsentDate") or "")
    proof = cast(str, item.get("consentProof") or body.get("defaultConsentProof") or "")
    if len(proof) > 255:
        raise ValueError("consentProof is longer than 255 characters.")
    day = values.day(text, "consentDate") if text else undated(switches, now)
    return Consent(cast(str, body["relationType"]), day, proof)


def undated(switches: Switches, now: int) -> date | None:
    """The date of a consent that was given none."""
    if switches.missing_date == "reject":
        raise ValueError("consentDate is required.")
    return day_of(now) if switches.missing_date == "today" else None


def _texts(item: Json, stored: Mapping[str, str], switches: Switches) -> dict[str, str]:
    texts = dict(stored)
    for name in TEXTS:
        given = cast(str, item.get(name, ""))
        if given == values.EMPTY:
            if _cleared(name == "birthdate", switches):
                texts[name] = ""
        elif given:
            texts[name] = values.text(name, given)
    return texts


def _fields(
    given: Mapping[str, Value], stored: Mapping[str, Value], switches: Switches, known: Mapping[str, CustomField]
) -> dict[str, Value]:
    fields = dict(stored)
    fields.update(
        {
            id: value
            for id, value in values.custom(
                {k: v for k, v in given.items() if v != values.EMPTY}, known, switches
            ).items()
            if value != ""
        }
    )
    for id, value in given.items():
        if value == values.EMPTY:
            if id not in known:
                raise ValueError(f"The custom field {id} does not exist.")
            if _cleared(known[id].type != "text", switches):
                fields.pop(id, None)
    return fields


def _cleared(typed: bool, switches: Switches) -> bool:
    """Whether the marker clears a field (`typed`: a date or a number)."""
    if typed and switches.empty_marker == "rejected":
        raise ValueError("__EMPTY__ is not a value of this field's type.")
    return not typed or switches.empty_marker == "clears"


def _by_id(store: Store, batch: Batch, now: int) -> Tally:
    tally = Tally()
    for row, id in enumerate(cast(list[str | int], batch.body["ids"]), start=1):
        member = store.find(str(id))
        if member is None:
            tally.errors.append((row, id, "The member was not found."))
            continue
        if batch.type == "deleteMembers":
            store.delete(member.id)
        elif member.state != "unsubscribed":
            store.save(replace(member, state="unsubscribed", left=now, updated=now))
        tally.successes.append((row, id))
    return tally
