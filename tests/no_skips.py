"""A pytest plugin for machines that have every tool: a test that is skipped fails the session (`-p no_skips`)."""

from __future__ import annotations

import pytest


class NoSkips:
    """Counts what was skipped, while collecting or while running."""

    def __init__(self) -> None:
        self.skipped: set[str] = set()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.skipped.add(report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped:
            self.skipped.add(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.skipped:
            terminalreporter.write_sep("=", "skipped, and nothing may be", red=True)
            for nodeid in sorted(self.skipped):
                terminalreporter.write_line(nodeid)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(NoSkips(), "no skips")
