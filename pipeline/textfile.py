"""Figures of the nights for Prometheus: a file that the node exporter's textfile collector reads.  No personal data.

Each `placier run` replaces the figures of the accounts that it walked, and keeps those of the others.  What a run that
could not reach the state does not know keeps the value of the last one that did.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_fd_to_metric_families

from pipeline.errors import StateError
from pipeline.run import EXIT, Run, exit_code

Labels = tuple[tuple[str, str], ...]
Samples = dict[tuple[str, Labels], float]
"""Metric and labels -> value."""
MODE = 0o644
"""The exporter is another user."""
METRICS: Mapping[str, str] = {
    "placier_run_timestamp_seconds": "When the last placier run of the account ended, in seconds since 1970.",
    "placier_success_timestamp_seconds": "When a run last brought a day, or all that was pending, to the platform.",
    "placier_run_exit_code": "Exit code of the account's part of the last placier run; 0 is well.",
    "placier_run_status": "1 for the status of the last day that the last placier run did, 0 for the others.",
    "placier_run_seconds": "Seconds that the last placier run spent in each stage.",
    "placier_run_days": "Business dates that the last placier run did, those that it caught up included.",
    "placier_run_lines": "Lines of the day files that the last placier run read.",
    "placier_run_rejected_lines": "Lines that it set aside.",
    "placier_run_groups_created": "Groups that it created on the platform.",
    "placier_run_contacts_created": "Contacts that it created on the platform.",
    "placier_run_contacts_updated": "Contacts that it updated on the platform.",
    "placier_run_joins": "Seats in groups that it gave.",
    "placier_run_leaves": "Seats in groups that it took away.",
    "placier_run_refused_contacts": "Contacts that the platform refused.",
    "placier_run_requests": "HTTP requests that it sent to the platform.",
    "placier_held_operations": "Operations, lines or rows that a guard holds now, by reason.",
    "placier_pending_contacts": "Contacts that wait to be sent.",
    "placier_missing_days": "Business dates since the first success that are not recorded.",
    "placier_came_back_contacts": "Suppressed people who are members of the platform again.",
}
"""Every metric, each a gauge with the label `account`; some have one more label."""
MORE_LABELS: Mapping[str, str] = {
    "placier_run_status": "status",
    "placier_run_seconds": "stage",
    "placier_held_operations": "reason",
}
HOLDS = ("gap", "leaves", "platform", "purge", "rejects", "volume")


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands after its runs, as its state tells; instants are UTC."""

    success: datetime | None
    held: Mapping[str, int]
    pending: int
    missing: int
    back: int


def write(
    path: Path, of_accounts: Mapping[str, tuple[Sequence[Run], Standing | None]], now: datetime, known: Collection[str]
) -> None:
    """Write the figures of these accounts into the file, which is replaced whole; the figures of other `known` ones stay.

    StateError when it cannot be written.
    """
    samples = {key: value for key, value in _earlier(path).items() if _account(key) in known}
    for account, (runs, standing) in of_accounts.items():
        fresh = dict(_samples(account, runs, standing, now))
        told = {name for name, _ in fresh}
        samples = {key: value for key, value in samples.items() if _account(key) != account or key[0] not in told}
        samples.update(fresh)
    try:
        _replace(path, _document(samples))
    except OSError as error:
        raise StateError(
            f"alerts.textfile: {path} cannot be written ({error.strerror})",
            f"make the folder, for the user that runs placier: ls -ld {path.parent}",
        ) from error


def _samples(
    account: str, runs: Sequence[Run], standing: Standing | None, now: datetime
) -> Iterator[tuple[tuple[str, Labels], float]]:
    def one(name: str, value: float, more: str = "") -> tuple[tuple[str, Labels], float]:
        labels = (("account", account), *(((MORE_LABELS[name], more),) if more else ()))
        return (name, labels), float(value)

    yield one("placier_run_timestamp_seconds", _instant(now))
    yield one("placier_run_exit_code", exit_code(list(runs)))
    yield one("placier_run_days", len({run.date for run in runs if run.date is not None}))
    for status in EXIT:
        if status != "dry_run":
            yield one("placier_run_status", bool(runs) and runs[-1].status == status, status)
    for stage in sorted({stage for run in runs for stage in run.seconds}):
        yield one("placier_run_seconds", sum(run.seconds.get(stage, 0.0) for run in runs), stage)
    files = [file for run in runs for file in run.files]
    yield one("placier_run_lines", sum(file.lines for file in files))
    yield one("placier_run_rejected_lines", sum(file.rejected for file in files))
    for count in ("groups_created", "contacts_created", "contacts_updated", "joins", "leaves"):
        yield one(f"placier_run_{count}", sum(getattr(run.pushed, count) for run in runs))
    yield one("placier_run_refused_contacts", len(runs[-1].refused) if runs else 0)
    yield one("placier_run_requests", sum(run.requests for run in runs))
    if standing is None:
        return
    if standing.success is not None:
        yield one("placier_success_timestamp_seconds", _instant(standing.success))
    for reason in HOLDS:
        yield one("placier_held_operations", standing.held.get(reason, 0), reason)
    yield one("placier_pending_contacts", standing.pending)
    yield one("placier_missing_days", standing.missing)
    yield one("placier_came_back_contacts", standing.back)


def _instant(moment: datetime) -> float:
    return moment.replace(tzinfo=UTC).timestamp()


def _account(key: tuple[str, Labels]) -> str:
    return dict(key[1]).get("account", "")


def _earlier(path: Path) -> Samples:
    """What the file says so far; what is not there, or cannot be read, says nothing."""
    try:
        with path.open(encoding="utf-8") as file:
            families = list(text_fd_to_metric_families(file))
    except (OSError, ValueError):
        return {}
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
        if sample.name in METRICS
    }


def _document(samples: Samples) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(samples))
    return generate_latest(registry)


class _Collected:
    """The samples as the library takes them: by metric, in the order of the table."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """A family per metric, whether it has samples or not."""
        for name, words in METRICS.items():
            labels = ["account", *([MORE_LABELS[name]] if name in MORE_LABELS else [])]
            family = GaugeMetricFamily(name, words, labels=labels)
            for (metric, known), value in sorted(self._samples.items()):
                if metric == name:
                    family.add_metric([dict(known).get(label, "") for label in labels], value)
            yield family


def _replace(path: Path, content: bytes) -> None:
    """Whole or not at all: the exporter never reads half of it.  It reads `*.prom` only, which the new file is not yet."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), MODE)
        Path(name).replace(path)
    except OSError:
        with suppress(OSError):
            Path(name).unlink()
        raise
