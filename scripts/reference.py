"""The tables of docs/configuration.md, made from the models of `pipeline/config.py`.

    make reference        writes them anew

A table stands between `<!-- table: MODEL -->` and `<!-- end -->`, the prose around it is written by hand.  A model tells
each key's default, what is accepted and, in its `description`, what it means; MODEL is the class, and its table holds the
keys that the class itself declares.  `FIELDS` is the table of the custom fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline import config, fields

PAGE = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"
TABLE = re.compile(r"(?<=<!-- table: )(\w+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)
BOUNDS = (("ge", "at least"), ("gt", "above"), ("le", "at most"))


def written(text: str) -> str:
    """The page, its tables as the models have them."""
    return TABLE.sub(lambda found: found[1] + found[2] + table(found[1]), text)


def table(name: str) -> str:
    """The rows of the model called `name`, under their header."""
    if name == "FIELDS":
        return _rows(
            ("key", "name unless told otherwise", "type"),
            [(f"`{field.key}`", field.name, field.type) for field in fields.FIELDS],
        )
    model = {model.__name__: model for model in models()}[name]
    told = [
        (f"`{key}`", default(field), accepted(field), (field.description or "").replace("|", "\\|"))
        for key, field in own(model).items()
    ]
    return _rows(("key", "default", "accepted", "meaning"), told)


def models() -> list[type[BaseModel]]:
    """Every model of the configuration that has keys of its own, in the order of the files."""
    found = [model for top in (config.Main, config.AccountFile) for model in _below(top)]
    return [model for model in dict.fromkeys(found) if own(model)]


def _below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for kind in reversed(model.__mro__):
        if issubclass(kind, BaseModel) and kind not in {BaseModel, config.Section}:
            yield kind
    for field in model.model_fields.values():
        for section in config.sections(field.annotation):
            yield from _below(section)


def own(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The keys that a model itself declares: neither those of the class it extends, nor tables."""
    inherited = {key for base in model.__bases__ if issubclass(base, BaseModel) for key in base.model_fields}
    return {
        key: field
        for key, field in model.model_fields.items()
        if key not in inherited and not config.sections(field.annotation)
    }


def default(field: FieldInfo) -> str:
    """The default as one would write it in the file."""
    if field.is_required():
        return "required"
    return f"`{json.dumps(field.get_default(call_default_factory=True), ensure_ascii=False)}`"


def accepted(field: FieldInfo) -> str:
    """The type, and the bounds that the model sets."""
    kind = field.annotation
    if get_origin(kind) is Literal:
        return ", ".join(f"`{json.dumps(value)}`" for value in get_args(kind))
    bounds = {name: getattr(item, name) for item in field.metadata for name, _ in BOUNDS if hasattr(item, name)}
    lengths = {n: getattr(item, n) for item in field.metadata for n in ("min_length", "max_length") if hasattr(item, n)}
    if kind is bool:
        return "`true`, `false`"
    if kind is str and "max_length" in lengths:
        return f"text of {lengths.get('min_length', 0)} to {lengths['max_length']} characters"
    if kind is str:
        return "text, not empty" if lengths.get("min_length") else "text"
    if kind in {int, float}:
        noun = "whole number" if kind is int else "number"
        if {"ge", "le"} <= set(bounds):
            return f"{noun}, {bounds['ge']} to {bounds['le']}"
        return ", ".join([noun, *(f"{word} {bounds[name]}" for name, word in BOUNDS if name in bounds)])
    return "a table of texts" if get_origin(kind) is dict else "text"


def _rows(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(row)} |\n" for row in (head, *rows)]
    return "".join((lines[0], "|---" * len(head) + "|\n", *lines[1:]))


if __name__ == "__main__":
    before = PAGE.read_text(encoding="utf-8")
    after = written(before)
    PAGE.write_text(after, encoding="utf-8")
    print(f"{PAGE.name}: {'as it was' if after == before else 'written anew'}")
