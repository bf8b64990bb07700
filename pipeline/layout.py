"""The header of a file and a mapping -> the delimiter, and which column holds what."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from pipeline import records
from pipeline.content import Content, refuse
from pipeline.mapping import Mapping, normalise

MAX_COLUMNS = 4096
"""Columns of the widest file: an export has some dozens."""
_NAMES_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column of a file holds what: `places` by field, the operation's own, and the file's fixed operation."""

    delimiter: str
    names: tuple[str, ...]
    places: dict[str, int]
    operation: int | None
    fixed: str | None

    @property
    def ignored(self) -> tuple[str, ...]:
        """The header's names that nothing is read from, as written."""
        used = {*self.places.values(), self.operation}
        unused = (name.strip() for place, name in enumerate(self.names) if place not in used)
        return tuple(dict.fromkeys(name for name in unused if name))


def find_layout(content: Content, mapping: Mapping, role: str) -> Layout:
    """The delimiter under which most of the required columns are found, and what each column holds."""
    line = content.head[:65536].splitlines()[0]
    candidates = []
    for order, delimiter in enumerate(records.DELIMITERS):
        names = records.header(content, delimiter)
        if len(names) > MAX_COLUMNS:
            refuse(content.name, f"the header has {len(names)} columns, accepted: at most {MAX_COLUMNS}")
        layout, missing = _layout(delimiter, names, mapping, role)
        candidates.append((len(missing), -line.count(delimiter.encode()), order, layout, missing))
    _, _, _, layout, missing = min(candidates, key=lambda candidate: candidate[:3])
    if missing:
        _refuse_header(content.name, layout, missing)
    return layout


def _layout(delimiter: str, names: list[str], mapping: Mapping, role: str) -> tuple[Layout, list[str]]:
    """The layout of a header, and what is missing from it in the words of the mapping."""
    seen: Counter[str] = Counter()
    places: dict[str, int] = {}
    for place, written in enumerate(names):
        name = normalise(written)
        seen[name] += 1
        places.setdefault(name if seen[name] == 1 else f"{name}#{seen[name]}", place)

    def first(options: tuple[str, ...]) -> int | None:
        return next((places[option] for option in options if option in places), None)

    found = {field: first(mapping.columns.of(field)) for field in type(mapping.columns).model_fields}
    missing = [
        " or ".join(getattr(mapping.columns, field)) for field in mapping.required_fields if found[field] is None
    ]
    operation = first(tuple(normalise(name) for name in mapping.operation.column))
    fixed = mapping.operation.of_role(role) if operation is None else None
    if operation is None and fixed is None:
        missing.append(
            " or ".join(mapping.operation.column) or "(the operation, which the mapping fixes for other roles only)"
        )
    known = {field: place for field, place in found.items() if place is not None}
    return Layout(delimiter, tuple(names), known, operation, fixed), missing


def _refuse_header(name: str, layout: Layout, missing: list[str]) -> None:
    """Say what is missing; the header is quoted only if it is one (a file without a header starts with a buyer)."""
    columns = "column is" if len(missing) == 1 else "columns are"
    if layout.places:
        names = [re.sub(r".*@.*", "***", " ".join(written.split())[:60]) for written in layout.names]
        has = f"the header has {', '.join(names[:_NAMES_SHOWN])}{', ...' if len(names) > _NAMES_SHOWN else ''}"
    else:
        has = f"none of its {len(layout.names)} columns is known; the first line must be a header"
    refuse(
        name,
        f"required {columns} missing: {', '.join(missing)}; {has}",
        "correct the export, or write a mapping for it (docs/mappings.md), then `placier check FILE --mapping NAME`",
    )
