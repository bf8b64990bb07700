"""`check`: reading a file without touching anything."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline import mapping as mappings
from pipeline.config import Account, Files
from pipeline.errors import UsageError
from pipeline.inbound import beside, load_mapping
from pipeline.read import scan, verify_declared
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
    if mapping is None and account is not None:
        columns = load_mapping(account)
    else:
        columns = mappings.load(mappings.find(mapping or "tuxedo", account.config_dir if account else config_dir))
    verify_declared(file, beside(file))
    role, day = _told_by(file.name, account)
    reading = scan(
        file, columns, zone_of(account), today, lambda block: None, role=role, business_date=day, progress=progress
    )
    return reading, {
        "file": file.name,
        "encoding": reading.encoding,
        "delimiter": reading.delimiter,
        "lines": reading.total,
        "accepted": reading.accepted,
        "rejected": [{"line": reject.line, "reason": reject.reason, "text": reject.text} for reject in reading.rejects],
        "ignored_columns": list(reading.ignored_columns),
    }


def _told_by(name: str, account: Account | None) -> tuple[str, date | None]:
    """The role and the business date that a file's name tells: by the account's patterns, else by the default ones.

    The day is the account's to tell: without one it is not asked for.
    """
    files = Files() if account is None else account.file.source
    organisation = ".+" if account is None else re.escape(account.file.organisation)
    for role, pattern in files.patterns().items():
        pieces = re.split(r"(\{organisation\}|\{date[^}]*\})", pattern)
        formats = [piece[6:-1] or "%Y-%m-%d" for piece in pieces if piece.startswith("{date")]
        shape = "".join(_shape(piece, organisation) for piece in pieces)
        found = re.fullmatch(rf"{shape}(?:\.gz)?", name)
        if found is not None:
            return role, None if account is None else _day(found.groups(), formats)
    return "", None


def _shape(piece: str, organisation: str) -> str:
    if piece.startswith("{date"):
        return "(.+?)"
    return organisation if piece == "{organisation}" else re.escape(piece)


def _day(texts: Sequence[str], formats: Sequence[str]) -> date | None:
    """The day that the parts of a name tell together; where one part tells all of it, others may tell it again."""
    whole = [
        pair for pair in zip(texts, formats, strict=True) if set(re.findall("%[Ymd]", pair[1])) == {"%Y", "%m", "%d"}
    ]
    text, form = whole[0] if whole else ("\n".join(texts), "\n".join(formats))
    try:
        return datetime.strptime(text, form).date()  # noqa: DTZ007 - a day has no zone
    except (ValueError, re.error):  # no day, or a part of it told twice
        return None


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
