"""The crash machine's figures, summed over the workers: told at the end of the tests, and held against what was promised."""

from __future__ import annotations

import os
from collections import Counter

import pytest

PROPERTY = "crash machine"
ENOUGH = 100
"""So many histories are enough for the promises below to hold on average."""
FAULTS, KILLS = 4.0, 0.6
"""Faults that struck, and processes that were killed, per history at least."""


def promised() -> int:
    """How many histories are to be played."""
    return int(os.environ.get("PLACIER_HISTORIES") or 16)


class Figures:
    """A pytest plugin, of the process that reports."""

    def __init__(self) -> None:
        self.sums: Counter[str] = Counter()
        self.failed = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call":
            return
        for name, value in report.user_properties:
            if name == PROPERTY:
                self.sums.update(value)
                self.failed += report.failed

    @property
    def shortfall(self) -> str:
        """What was promised and not kept; judged when a great number of histories was asked for."""
        told, floor = self.sums, promised()
        if not told["histories"] or floor < ENOUGH:
            return ""
        kept = told["histories"] >= floor and told["faults"] >= FAULTS * floor and told["kills"] >= KILLS * floor
        return "" if kept else f"promised: {floor} histories, {FAULTS:.0f} faults and {KILLS} SIGKILLs each"

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.shortfall and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        told = self.sums
        if not told:
            return
        verdict = "0 lost, 0 doubled" if not self.failed else f"{self.failed} HISTORIES FAILED"
        terminalreporter.write_line(
            f"crash machine: {told['histories']:,} histories, {told['runs']:,} runs, {told['faults']:,} faults struck,"
            f" {told['kills']:,} SIGKILLs, {verdict} (SQLite {told['sqlite']:,}, PostgreSQL {told['postgresql']:,})",
            red=bool(self.failed),
        )
        if self.shortfall:
            terminalreporter.write_line(self.shortfall, red=True)
