"""A running stand-in of the platform, a client whose every answer is held against the OpenAPI document, and the bench."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

import httpx
import pytest
from jsonschema_rs import Draft202012Validator

from pipeline.fields import BY_KEY
from pipeline.sandbox.control import SandboxControl
from pipeline.sandbox.serve import PlatformServer

NOON = datetime(2026, 3, 10, 16, 5, 9, 120_000, tzinfo=UTC)
"""The stand-in's clock in these tests: 12:05:09.120 in Montréal."""


@cache
def document() -> dict[str, dict[str, dict[str, dict[str, object]]]]:
    """The OpenAPI document, read without the code under test."""
    text = files("pipeline.platforms").joinpath("cyberimpact.openapi.json").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, dict[str, dict[str, object]]]] = json.loads(text)
    return loaded


def template(method: str, raw_path: str) -> str | None:
    """The document's path that a request's path is an instance of; fixed paths win over `{key}` ones."""
    for path, item in sorted(document()["paths"].items(), key=lambda pair: pair[0].count("{")):
        if method.lower() in item and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), raw_path):
            return path
    return None


@cache
def judge(method: str, path: str, status: int) -> Draft202012Validator | None:
    """The schema of an answer, `default` where the status is not named."""
    answers = document()["paths"][path][method.lower()]["responses"]
    assert isinstance(answers, dict)
    answer = answers.get(str(status)) or answers["default"]
    if "$ref" in answer:
        answer = document()["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    schema = answer["content"]["application/json"]["schema"]
    return Draft202012Validator({**schema, "components": document()["components"]}, validate_formats=True)


def hold_against_document(response: httpx.Response) -> None:
    """Fail on an answer that the document does not allow (broken ones, made by faults, are no JSON and are let through)."""
    response.read()
    path = template(response.request.method, response.request.url.raw_path.decode().partition("?")[0])
    if path is None or not response.headers["content-type"].startswith("application/json"):
        return
    schema = judge(response.request.method, path, response.status_code)
    if schema is not None:
        schema.validate(response.json())


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformServer]:
    """One server for a module; `server` makes it new for each test."""
    path = tmp_path_factory.mktemp("platform") / "platform.db"
    with PlatformServer(path, now=lambda: NOON, checking="full") as started:
        yield started


@pytest.fixture(scope="module")
def bench(running: PlatformServer) -> Iterator[SandboxControl]:
    """The bench of the module's server; `control` is the same after a reset."""
    with SandboxControl(running.url) as client:
        yield client


@pytest.fixture(scope="module")
def client(running: PlatformServer) -> Iterator[Api]:
    """A client of the module's server; `api` is the same after a reset."""
    with Api(running.url, running.token) as connected:
        yield connected


@pytest.fixture
def server(running: PlatformServer, bench: SandboxControl) -> PlatformServer:
    """A stand-in as at its first start."""
    bench.reset()
    return running


@pytest.fixture
def control(server: PlatformServer, bench: SandboxControl) -> SandboxControl:
    """Its bench."""
    return bench


@pytest.fixture
def api(server: PlatformServer, client: Api) -> Api:
    """Its API."""
    return client


class Api(httpx.Client):
    """The platform's API as a client sees it."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            event_hooks={"response": [hold_against_document]},
            timeout=20,
            trust_env=False,
        )

    def batch(self, *members: Mapping[str, object], groups: tuple[int, ...] = (), **body: object) -> dict[str, object]:
        """Send an addMembers batch (active clients, 2026-02-01) and poll it once; the finished batch."""
        content = {
            "batchType": "addMembers",
            "relationType": "active-clients",
            "defaultConsentDate": "2026-02-01",
            "defaultConsentProof": "Achat T-1",
            "groups": list(groups),
            "members": list(members),
            **body,
        }
        sent = self.post("/batches", json={key: value for key, value in content.items() if value is not None})
        assert sent.status_code == 201, sent.text
        assert sent.json()["status"] == "NEW"
        assert sent.json()["batchJson"]["members"] == list(members)
        polled: dict[str, object] = self.get(
            f"/batches/{sent.json()['id']}", params={"showErrorDetails": "true"}
        ).json()
        return polled

    def group(self, title: str) -> int:
        """Create a private group; its id."""
        made = self.post("/groups", json={"title": title, "isPublic": False})
        assert made.status_code == 201, made.text
        group_id: int = made.json()["id"]
        return group_id

    def field(self, key: str) -> str:
        """The id, as a text, of one of the 17 custom fields."""
        fields = self.get("/customfields").json()["customFields"]
        return next(str(item["id"]) for item in fields if item["name"] == BY_KEY[key].name)

    def emails(self, path: str, **query: object) -> list[str]:
        """The addresses that a list shows."""
        answer = self.get(path, params={key: str(value) for key, value in query.items()})
        assert answer.status_code == 200, answer.text
        return [member["email"] for member in answer.json()["members"]]
