"""Batches at Cyberimpact: the one way in bulk; accepted at once, done later, answered loosely."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipeline.config import CyberimpactPlatform
from pipeline.log import Log
from pipeline.platforms import Batch, Outcome, wire
from pipeline.platforms.contract import check
from pipeline.platforms.http import JsonObject, Refusal, Transport

SHORTEST_POLL, POLL_GROWTH, LONGEST_POLL = 0.005, 1.5, 30.0
"""Seconds until a batch is asked for, how they grow, and the most that they grow to."""
REFUSED_WHOLE = frozenset({400, 413, 422})
UNKNOWN = {"forgotten": "forgotten", "running": "never ended"}
"""What a batch's outcome is not known for."""
MOST_REFUSALS = 40
"""So many refusals end the halving of a batch: enough for a bad person in thousands, or for batches of a tenth."""


class Batches:
    """Sends batches one at a time and waits for the end of each."""

    def __init__(self, http: Transport, config: CyberimpactPlatform, log: Log) -> None:
        self._http = http
        self._deadline = config.batch_deadline
        self._first_poll = max(config.first_poll, SHORTEST_POLL)
        self._most = config.batch_size
        self._log = log

    def send(self, batch: Batch, ids: Mapping[str, str], taken: Callable[[int], None]) -> Outcome:
        """Send a batch whose custom fields have the `ids`; `taken` hears its number, and those of its halves.

        One that is refused whole is halved until what is wrong with it stands alone: a person, who is then refused, or
        its size, which is remembered; Refusal when it is neither.
        """
        payload = wire.batch_payload(batch, ids)
        check("BatchAddMembers", payload)
        pending = [batch.people[start : start + self._most] for start in range(0, len(batch.people), self._most)]
        outcomes: list[Outcome] = []
        accepted = refusals = 0
        while pending:
            part = Batch(batch.groups, pending.pop(0))
            try:
                whole = len(part.people) == len(batch.people)
                outcomes.append(self._one(part, payload if whole else wire.batch_payload(part, ids), taken))
                accepted = max(accepted, len(part.people))
            except Refusal as refusal:
                refusals += 1
                if refusal.status not in REFUSED_WHOLE or refusals > MOST_REFUSALS:
                    raise
                if len(part.people) == 1:
                    outcomes.append(Outcome(True, {part.people[0].email.strip().lower(): wire.reason(refusal)}))
                half = len(part.people) // 2
                pending[:0] = [people for people in (part.people[:half], part.people[half:]) if half]
        refused = {email: reason for outcome in outcomes for email, reason in outcome.refused.items()}
        if refusals and not refused:
            self._most = accepted
        return Outcome(all(outcome.finished for outcome in outcomes), refused)

    def ended(self, number: int, *, patient: bool) -> bool:
        """Whether a batch has ended or is forgotten; waited for until the deadline if `patient`."""
        return self._follow(number, self._deadline if patient else 0.0)[0] != "running"

    def _one(self, batch: Batch, payload: JsonObject, taken: Callable[[int], None]) -> Outcome:
        body = self._http.send("POST", "/batches", payload, repeatable=True)
        number = wire.as_int(body.get("id"))
        if number is None:
            self._log.warning("batch outcome unknown", why="no number", people=len(batch.people))
            return Outcome(False, {})
        taken(number)
        progress, body = self._follow(number, self._deadline)
        if progress in UNKNOWN:
            self._log.warning("batch outcome unknown", batch=number, why=UNKNOWN[progress], people=len(batch.people))
            return Outcome(False, {})
        return Outcome(progress == "done", wire.refused(body, batch))

    def _follow(self, number: int, seconds: float) -> tuple[str, JsonObject]:
        """Ask for a batch until it ends, at most for so many seconds; a status that nobody documented is no end.

        The next one is asked for first after half of what this one was waited for.
        """
        deadline = self._http.clock() + seconds
        pause, waited = self._first_poll, 0.0
        while True:
            self._http.sleep(pause)
            waited += pause
            try:
                body = self._http.get(f"/batches/{number}", {"showErrorDetails": "true"})
            except Refusal as refusal:
                if refusal.status != 404:
                    raise
                return "forgotten", {}
            progress = wire.progress(body)
            if progress != "running":
                self._first_poll = min(max(waited / 2, SHORTEST_POLL), LONGEST_POLL)
                return progress, body
            pause = min(pause * POLL_GROWTH, LONGEST_POLL)
            if self._http.clock() + pause > deadline:
                return "running", body
