"""docs/configuration.md says what the models of the configuration say."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Literal

import pytest
from pydantic import BaseModel, Field

ROOT = Path(__file__).parent.parent


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = _script()
PAGE = reference.PAGE.read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_models() -> None:
    assert PAGE == reference.written(PAGE), "docs/configuration.md is not what the models say: make reference"


@pytest.mark.parametrize("model", reference.models(), ids=lambda model: model.__name__)
def test_every_section_has_its_table_once(model: type[BaseModel]) -> None:
    marker = f"<!-- table: {model.__name__} -->\n"
    assert PAGE.count(marker) == 1, f"give it a heading in docs/configuration.md, and below it {marker}<!-- end -->"


def test_every_key_of_the_configuration_is_in_a_model_that_has_a_table() -> None:
    names = {model.__name__ for model in reference.models()}
    assert {"State", "AccountFile", "Files", "SftpSource", "FolderSource", "CyberimpactPlatform", "Guard"} <= names


@pytest.mark.parametrize("model", reference.models(), ids=lambda model: model.__name__)
def test_every_key_is_described(model: type[BaseModel]) -> None:
    bare = [key for key, field in reference.own(model).items() if not (field.description or "").strip()]
    assert bare == [], f"{model.__name__} in pipeline/config.py: Field(..., description=...)"


class Example(BaseModel):
    """One key of each kind."""

    must: str = Field(min_length=1)
    short: str = Field("é", max_length=9)
    choice: Literal["a", "b"] = "a"
    switch: bool = False
    part: float = Field(0.5, gt=0, le=1)
    count: int = Field(3, ge=1, le=9)
    names: dict[str, str] = {}


@pytest.mark.parametrize(
    ("key", "default", "accepted"),
    [
        ("must", "required", "text, not empty"),
        ("short", '`"é"`', "text of 0 to 9 characters"),
        ("choice", '`"a"`', '`"a"`, `"b"`'),
        ("switch", "`false`", "`true`, `false`"),
        ("part", "`0.5`", "number, above 0, at most 1"),
        ("count", "`3`", "whole number, 1 to 9"),
        ("names", "`{}`", "a table of texts"),
    ],
)
def test_a_key_is_told_with_its_default_and_what_is_accepted(key: str, default: str, accepted: str) -> None:
    field = Example.model_fields[key]
    assert (reference.default(field), reference.accepted(field)) == (default, accepted)
