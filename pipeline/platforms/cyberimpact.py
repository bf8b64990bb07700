"""Cyberimpact, over its REST API; right under every assumption that its documentation leaves open.

Reading is the proof: batches are answered loosely, so what counts is what `read`, `consent` and `memberships` give
back.  Lists are read in pages of 10,000, the largest there are, single members where that takes fewer requests.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, MutableSet, Sequence
from dataclasses import replace
from datetime import date
from functools import cached_property
from urllib.parse import quote

from pipeline.config import CyberimpactPlatform
from pipeline.errors import PlatformError, PlatformUnavailable
from pipeline.fields import FIELDS, FieldType
from pipeline.log import Log, set_up
from pipeline.platforms import Batch, Consent, Group, Member, Outcome, Person, unheard, wire
from pipeline.platforms.batches import Batches
from pipeline.platforms.contract import check, check_batch
from pipeline.platforms.http import JsonObject, Refusal, Transport
from pipeline.platforms.pages import PAGE, pages

FEW = 3
"""Up to so many addresses are looked up one by one."""
TYPED = frozenset(field.key for field in FIELDS if field.type != "text")
TITLE_REFUSED = frozenset({400, 409, 413, 422})
"""The answers to a new group that speak of this group alone."""
LOOKS = 2
"""How often a group is looked for after its creation's answer was lost, before it is asked for again."""


class Cyberimpact:
    """One account's contacts at Cyberimpact, reached with its token; fulfils `Platform`.

    `sleep` and `clock` are for tests that must not wait.
    """

    reads_back: bool = True

    def __init__(
        self,
        config: CyberimpactPlatform,
        token: str,
        language: str = "",
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        log: Log | None = None,
    ) -> None:
        self._config = config
        self._marks_typed = True
        self._log = log or set_up("console")
        self._http = Transport(
            config.base_url,
            token,
            requests_per_second=config.requests_per_second,
            timeout=config.timeout,
            attempts=config.retries,
            backoff=config.first_pause,
            language=language,
            kept_in=f"the file {config.token_file}" if config.token_file else f"the variable {config.token_env}",
            sleep=sleep,
            clock=clock,
            log=self._log,
        )
        self._batches = Batches(self._http, config, self._log)

    @property
    def requests(self) -> int:
        """The HTTP requests sent so far, retries included; settable, to count anew."""
        return self._http.requests

    @requests.setter
    def requests(self, count: int) -> None:
        self._http.requests = count

    def ping(self) -> str:
        """The account that the token opens; PlatformError when it opens none."""
        body = self._http.get("/ping")
        if body.get("ping") != "success":
            raise PlatformError(
                "the platform's ping did not succeed", "check platform.base_url and the token, then `placier doctor`"
            )
        return wire.as_text(body.get("account"))

    # -- custom fields

    def check_fields(self) -> list[str]:
        """One sentence per custom field that is missing, there twice, or of another type, in the order of the table."""
        complaints = []
        for field in FIELDS:
            name = self._config.custom_fields.get(field.key, field.name)
            found = [there for there in self._fields if _folded(there.name) == _folded(name)]
            if not found:
                complaints.append(f'create the custom field "{name}" of type {field.type}')
            elif len(found) > 1:
                complaints.append(
                    f'"{name}" is the name of {len(found)} custom fields, must be of one: rename the others'
                )
            elif found[0].kind != field.type:
                complaints.append(f'"{name}" is of type {found[0].written or "unknown"}, must be {field.type}')
        return complaints

    @cached_property
    def _fields(self) -> list[wire.AccountField]:
        return wire.account_fields(self._http.get("/customfields"))

    @cached_property
    def _ids(self) -> Mapping[str, str]:
        """The custom fields' ids by key."""
        by_name = {_folded(there.name): there.id for there in reversed(self._fields)}
        names = {field.key: _folded(self._config.custom_fields.get(field.key, field.name)) for field in FIELDS}
        return {key: by_name[name] for key, name in names.items() if name in by_name}

    @cached_property
    def _keys(self) -> Mapping[str, tuple[str, FieldType]]:
        """The custom fields' keys and types by id."""
        return {self._ids[field.key]: (field.key, field.type) for field in FIELDS if field.key in self._ids}

    # -- groups

    def groups(self) -> list[Group]:
        """All groups, each once."""
        found = (wire.group(row) for rows, _ in self._pages("/groups", "groups") for row in rows)
        return list({there.id: there for there in found if there is not None}.values())

    def create_group(self, title: str) -> Group | str:
        """Create a private static group; the platform's words when it refuses the title.

        When the answer is lost the group is looked for among those that were not there before: it is created again only
        if it did not appear, so that a title never gets two groups.
        """
        body = {"title": title, "isPublic": False}
        check("GroupWrite", body)
        before = {group.id for group in self.groups()}
        attempt = 1
        while True:
            try:
                answer = self._http.send("POST", "/groups", body, repeatable=False)
            except PlatformUnavailable:
                created = self._appeared(title, before)
                if created is not None:
                    return created
                if attempt >= self._config.retries:
                    raise
            except Refusal as refusal:
                created = self._appeared(title, before) if attempt > 1 else None  # a lost attempt may have made it late
                if created is None and refusal.status not in TITLE_REFUSED:
                    raise
                return created or wire.reason(refusal)
            else:
                created = wire.group(answer) or self._appeared(title, before)
                if created is None:
                    raise PlatformError(
                        "the platform answered without the group that it created", "`placier push` looks again"
                    )
                return Group(created.id, created.title or title, created.dynamic, created.size)
            attempt += 1

    def _appeared(self, title: str, before: Collection[int]) -> Group | None:
        """The static group of that title that is there now and was not; looked for twice, as it may come late."""
        for look in range(LOOKS):
            self._http.sleep(self._config.first_pause * (1 + 2 * look))
            new = [
                group
                for group in self.groups()
                if group.id not in before and not group.dynamic and _folded(group.title) == _folded(title)
            ]
            if len(new) > 1:
                raise PlatformError("two new groups have one title", "delete one of them there, then `placier push`")
            if new:
                return new[0]
        return None

    # -- reading

    def suppressed(self, known: Collection[str]) -> dict[str, tuple[str, date | None]]:
        """Unsubscribed and hard-bounced addresses, newest first; `unsubscribed` where an address is both."""
        seen = {email.strip().lower() for email in known}
        found = self._suppressed("bounced", "hardBouncedOn", seen)
        return {**found, **self._suppressed("unsubscribed", "unsubscribedOn", seen)}

    def _suppressed(self, reason: str, when: str, known: Collection[str]) -> dict[str, tuple[str, date | None]]:
        """One list, to its end, or until a page shows that all that follows is old and known.

        A page shows it when it is in order of `when`, newest first, and holds only addresses that are `known`.
        """
        found: dict[str, tuple[str, date | None]] = {}
        for rows, count in self._pages(f"/members/{reason}", "members", sort="date_desc"):
            emails = [email for row in rows if (email := wire.address(row))]
            found.update({wire.address(row): (reason, wire.as_day(row.get(when))) for row in rows if wire.address(row)})
            days = [wire.as_text(row.get(when)) for row in rows]
            in_order = all(days) and days == sorted(days, reverse=True)
            if in_order and all(email in known for email in emails) and (count or 0) <= len({*known, *found}):
                break
        return found

    def read(self, emails: Sequence[str]) -> dict[str, Member]:
        """Those of `emails` that are subscribed members, by address in lower case."""
        return {there.email: there for there in self.find(_lowered(emails))}

    def find(self, wanted: MutableSet[str]) -> Iterator[Member]:
        """Those of `wanted` that are subscribed members; whoever is found is taken out of it."""
        if len(wanted) > FEW:
            for number, (rows, count) in enumerate(
                self._pages("/members", "members", status="all", sort="email_asc"), 1
            ):
                for row in rows:
                    email = wire.address(row)
                    there = wire.member(row, self._keys) if email in wanted else None
                    if there is not None:
                        wanted.discard(email)
                        yield there
                if len(wanted) < _pages_of(count or 0) - number:
                    break
            else:
                return
        for email in sorted(wanted):
            body = self._find(f"/members/{_segment(email)}")
            if body is not None and not wire.address(body):
                raise wire.odd(f"/members/{email}", "no member")
            there = wire.member(body, self._keys) if body is not None else None
            if there is not None and there.email == email:
                wanted.discard(email)
                yield there

    def consent(self, email: str) -> Consent | None:
        """A member's consent; None for a stranger."""
        body = self._find(f"/members/{_segment(email)}/consent")
        return wire.consent(body) if body is not None else None

    def memberships(self, emails: Sequence[str], groups: Collection[Group]) -> set[tuple[str, int]]:
        """Which of `emails` are in which of `groups`; a group that is gone holds nobody."""
        return set(self.inside(_lowered(emails), groups))

    def inside(self, wanted: Collection[str], groups: Collection[Group]) -> Iterator[tuple[str, int]]:
        """Which of `wanted` are in which of `groups`, one after the other."""
        ids = {group.id for group in groups}
        if not wanted or not ids:
            return
        if sum(_pages_of(group.size) for group in groups) <= len(wanted):
            for group_id in ids:
                for row in self._listing(f"/groups/{group_id}/members", "members"):
                    if (email := wire.address(row)) in wanted:
                        yield email, group_id
            return
        for email in sorted(wanted):
            for row in self._listing(f"/members/{_segment(email)}/groups", "groups"):
                if (group := wire.group(row)) is not None and group.id in ids:
                    yield email, group.id

    # -- writing

    def upsert(self, batch: Batch, taken: Callable[[int], None] = unheard) -> Outcome:
        """Create or update people with their consent, in the batch's groups, and wait for the end of it.

        Unfinished when the platform forgot a batch, failed it, or did not end it by the deadline.  That the marker that
        clears a text also clears a date or a number is documented nowhere, so those are looked at again.
        """
        check_batch(batch, self._config.batch_size)
        people = batch.people if self._marks_typed else tuple(map(_without_typed, batch.people))
        outcome = self._batches.send(replace(batch, people=people), self._ids, taken)
        clearing = replace(batch, people=tuple(person for person in batch.people if person.clear & TYPED))
        return self._clear_typed(clearing, outcome, taken) if clearing.people and outcome.finished else outcome

    def ended(self, number: int, *, patient: bool) -> bool:
        """Whether a batch of an earlier run has ended, or is forgotten."""
        return self._batches.ended(number, patient=patient)

    def _clear_typed(self, batch: Batch, outcome: Outcome, taken: Callable[[int], None]) -> Outcome:
        """Clear the dates and numbers that are still there by amending the member.

        Where the marker got the row refused, the row is sent again without it, and it is not used again.
        """
        found = self.read([person.email for person in batch.people])
        stuck = {person.email.strip().lower(): person for person in batch.people if not _is_clear(person, found)}
        refused = dict(outcome.refused)
        if stuck and self._marks_typed:
            self._marks_typed = False
            untyped = replace(batch, people=tuple(map(_without_typed, stuck.values())))
            again = self._batches.send(untyped, self._ids, taken)
            refused = {email: why for email, why in refused.items() if email not in stuck} | dict(again.refused)
            if not again.finished:
                return Outcome(False, refused)
        for email, person in stuck.items():
            if email in found and email not in refused:
                refusal = self.amend(found[email], person, ())
                if refusal:
                    refused[email] = refusal
        return Outcome(True, refused)

    def amend(self, member: Member, person: Person, groups: Sequence[int]) -> str:
        """Update a member's fields and join groups, the consent left alone; the platform's refusal, or "".

        All its custom fields are sent, those that are not ours included: whether the platform merges or replaces them
        is not documented.
        """
        path = f"/members/{member.id}"
        try:
            row = self._http.get(path)
            there = wire.member(row, self._keys)
            if there is None or there.email != person.email.strip().lower():
                return "no longer a subscribed member under this address"
            body = self._amendment(row, person)
            if body:
                check("MemberPatch", body)
                self._http.send("PATCH", path, body, repeatable=True)
            if groups:
                joined: JsonObject = {"groups": ",".join(str(group) for group in sorted(set(groups)))}
                check("GroupsCsv", joined)
                self._http.send("POST", f"{path}/groups", joined, repeatable=True)
        except Refusal as refusal:
            return wire.reason(refusal)
        return ""

    def _amendment(self, row: JsonObject, person: Person) -> JsonObject:
        kinds = {field.id: field.kind for field in self._fields}
        values = wire.custom_values(row)
        kept = {id_: value for id_, kind in kinds.items() if (value := wire.native(kind, values.get(id_))) is not None}
        regular, custom = wire.set_and_clear(person, self._ids, "")
        fields = {**kept, **custom}
        return {**regular, "customFields": fields} if fields else regular

    def leave(self, email: str, group: int) -> str:
        """Take one member out of one group; the platform's refusal, or "".

        Not being in it, or not being there at all, is fine; that it is so is looked at, not taken from a 404.
        """
        try:
            self._http.send("DELETE", f"/members/{_segment(email)}/groups/{group}", repeatable=True)
        except Refusal as refusal:
            mine = self._listing(f"/members/{_segment(email)}/groups", "groups")
            if refusal.status != 404 or group in {there.id for row in mine if (there := wire.group(row))}:
                return wire.reason(refusal)
        return ""

    def close(self) -> None:
        """Release the connection."""
        self._http.close()

    # -- requests

    def _find(self, path: str, query: Mapping[str, str | int] | None = None) -> JsonObject | None:
        """What is at `path`; None when nothing is."""
        try:
            return self._http.get(path, query)
        except Refusal as refusal:
            if refusal.status == 404:
                return None
            raise

    def _listing(self, path: str, collection: str) -> Iterator[JsonObject]:
        """All rows of a list; none when its owner is not there."""
        try:
            for rows, _ in self._pages(path, collection):
                yield from rows
        except Refusal as refusal:
            if refusal.status != 404:
                raise

    def _pages(self, path: str, collection: str, **query: str) -> Iterator[tuple[list[JsonObject], int | None]]:
        """A list's pages with its total count."""
        return pages(self._http.get, path, collection, query)


def _without_typed(person: Person) -> Person:
    """The person, no date or number to be cleared."""
    return replace(person, clear=person.clear - TYPED)


def _is_clear(person: Person, found: Mapping[str, Member]) -> bool:
    """Whether a person is there without the dates and numbers to be cleared."""
    there = found.get(person.email.strip().lower())
    return there is not None and not any(key in there.values for key in person.clear & TYPED - person.values.keys())


def _pages_of(size: int) -> int:
    return max(1, -(-size // PAGE))


def _lowered(emails: Collection[str]) -> set[str]:
    return {email.strip().lower() for email in emails}


def _segment(email: str) -> str:
    """An address as one segment of a path."""
    return quote(email.strip().lower(), safe="")


def _folded(name: str) -> str:
    """A name as names are compared: trimmed, composed, without case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).strip().casefold())
