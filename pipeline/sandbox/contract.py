"""The OpenAPI document as a judge: of what clients send, and of what the stand-in itself answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, cast

from jsonschema_rs import Draft202012Validator
from pydantic_core import from_json

Json = dict[str, object]
METHODS = ("get", "put", "post", "delete", "patch")
SAMPLE = 200
"""Items of a long list that a sampled check looks at."""
Checking = Literal["full", "sampled", "off"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path of the document, with its judges.  `body` None: the operation takes none."""

    id: str
    method: str
    path: str
    query: Mapping[str, Draft202012Validator]
    integers: frozenset[str]
    body: Draft202012Validator | None
    answers: Mapping[str, Draft202012Validator]

    def parse_query(self, given: Mapping[str, str]) -> dict[str, str | int]:
        """The query with numbers as numbers; ValueError for a parameter or a value that the document does not have."""
        parsed: dict[str, str | int] = {}
        for name, value in given.items():
            if name not in self.query:
                raise ValueError(f"unknown query parameter {name}")
            number = name in self.integers and re.fullmatch(r"-?[0-9]{1,18}", value) is not None
            typed: str | int = int(value) if number else value
            judged: object = (
                {"true": True, "1": True, "false": False, "0": False}.get(value)
                if name == "showErrorDetails"
                else typed
            )
            if not self.query[name].is_valid(judged):
                raise ValueError(f"bad value of the query parameter {name}")
            parsed[name] = typed
        return parsed

    def check_answer(self, status: int, content: object, checking: Checking) -> str:
        """What is wrong with an answer of ours; "" when it fits the document."""
        if checking == "off":
            return ""
        judge = self.answers.get(str(status)) or self.answers.get("default")
        if judge is None:
            return f"{self.id} has no answer {status}"
        if checking == "sampled":
            content = _shortened(content)
        return next((f"{self.id} {status}: {_place(error)}" for error in judge.iter_errors(content)), "")


@cache
def operations() -> tuple[Operation, ...]:
    """Every operation of the shipped document, in its order (fixed paths come before `{key}` ones)."""
    return tuple(_read())


def _read() -> Iterator[Operation]:
    text = files("pipeline.platforms").joinpath("cyberimpact.openapi.json").read_bytes()
    document = cast(Json, from_json(text))
    components = cast(Json, document["components"])
    for path, item in cast(dict[str, Json], document["paths"]).items():
        shared = cast(list[Json], item.get("parameters", []))
        for method in METHODS:
            if method in item:
                yield _operation(method, path, cast(Json, item[method]), shared, components)


def _operation(method: str, path: str, spec: Json, shared: list[Json], components: Json) -> Operation:
    parameters = [
        _resolve(parameter, components) for parameter in shared + cast(list[Json], spec.get("parameters", []))
    ]
    query = {cast(str, item["name"]): cast(Json, item["schema"]) for item in parameters if item["in"] == "query"}
    body = cast(Json | None, spec.get("requestBody"))
    answers = {
        status: _judge(_schema(_resolve(answer, components)), components)
        for status, answer in cast(dict[str, Json], spec["responses"]).items()
    }
    return Operation(
        id=cast(str, spec["operationId"]),
        method=method.upper(),
        path=path,
        query={name: _judge(schema, components) for name, schema in query.items()},
        integers=frozenset(name for name, schema in query.items() if schema.get("type") == "integer"),
        body=None if body is None else _judge(_schema(_resolve(body, components)), components),
        answers=answers,
    )


def _schema(holder: Json) -> Json:
    content = cast(dict[str, Json], holder["content"])
    return cast(Json, content["application/json"]["schema"])


def _resolve(item: Json, components: Json) -> Json:
    reference = item.get("$ref")
    if not isinstance(reference, str):
        return item
    _, _, kind, name = reference.split("/")
    return cast(dict[str, dict[str, Json]], components)[kind][name]


def _judge(schema: Json, components: Json) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": components}, validate_formats=True)


def _shortened(content: object) -> object:
    if not isinstance(content, dict):
        return content
    return {key: value[:SAMPLE] if isinstance(value, list) else value for key, value in content.items()}


def _place(error: object) -> str:
    """Where an answer does not fit, without its values."""
    path = getattr(error, "instance_path", [])
    rule = getattr(error, "schema_path", [])
    return f"at {'/'.join(str(part) for part in path) or '(top)'}, rule {'/'.join(str(part) for part in rule)}"
