"""What the fuzzing came to, told at the end of the tests, from whichever process it ran in."""

from __future__ import annotations

import pytest


class Fuzzed:
    """Collects what the tests say under the name `fuzzed`."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.told += [str(value) for name, value in report.user_properties if name == "fuzzed"]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in sorted(self.told):
            terminalreporter.write_line(f"fuzzed: {line}")
