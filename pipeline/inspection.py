"""`check`: reading a file without touching anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline import mapping as mappings
from pipeline.config import Account
from pipeline.errors import UsageError
from pipeline.read import scan
from pipeline.schema import Reading
from pipeline.screen import Page

DEFAULT_ZONE = "America/Toronto"
Json = dict[str, object]


def zone_of(account: Account | None) -> ZoneInfo:
    """The account's time zone, or the box office's home."""
    return ZoneInfo(DEFAULT_ZONE) if account is None else account.zone


def look(
    file: Path,
    mapping: str | None,
    account: Account | None,
    where: tuple[Path | None, date],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Reading, Json]:
    """Read a file as the account would; `where`: the configuration folder, if there is one, and today."""
    config_dir, today = where
    if not file.is_file():
        raise UsageError(f"there is no file {file}", f"see what is there: ls -l {file.absolute().parent}")
    name = mapping or ("tuxedo" if account is None else account.file.mapping)
    columns = mappings.load(mappings.find(name, config_dir if account is None else account.config_dir))
    role, zone = _role(file.name, account), zone_of(account)
    reading = scan(file, columns, zone, today, lambda block: None, role=role, progress=progress)
    return reading, {
        "file": file.name,
        "encoding": reading.encoding,
        "delimiter": reading.delimiter,
        "lines": reading.total,
        "accepted": reading.accepted,
        "rejected": [{"line": reject.line, "reason": reject.reason, "text": reject.text} for reject in reading.rejects],
        "ignored_columns": list(reading.ignored_columns),
    }


def _role(name: str, account: Account | None) -> str:
    """The role that the file's name has in the account, whatever its day; a file of no account has none."""
    if account is None:
        return ""
    import re

    for role, pattern in account.file.source.patterns().items():
        start = pattern.replace("{organisation}", account.file.organisation)
        shape = ".*".join(re.escape(part) for part in re.split(r"\{date[^}]*\}", start))
        if re.fullmatch(shape + r"(\.gz)?", name):
            return role
    return ""


def show(page: Page, reading: Reading, found: Json) -> None:
    """The same, in words."""
    shown = {"\t": "tab"}.get(reading.delimiter, reading.delimiter)
    page.say(f"{found['file']}: {reading.encoding}, delimiter {shown}")
    page.say(f"  {reading.total} lines, {reading.accepted} accepted, {len(reading.rejects)} set aside")
    if reading.ignored_columns:
        page.say(f"  columns ignored: {', '.join(reading.ignored_columns)}")
    if reading.rejects:
        counts = Counter(reject.reason for reject in reading.rejects)
        page.say("  reasons: " + ", ".join(f"{reason} ({n})" for reason, n in counts.most_common()))
        page.table(("line", "reason", "text"), [(r.line, r.reason, r.text.replace("\n", "⏎")) for r in reading.rejects])
