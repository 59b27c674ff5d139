"""What schemathesis makes of the description is answered as the description says."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.types import ASGIApp

from deepreasoning_cli.providers import demo
from deepreasoning_cli.server import create_app
from deepreasoning_cli.server.app import openapi_document

BASE = "http://127.0.0.1:1337"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
]
DOCUMENT = openapi_document()
ROUTES = [(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods]
REPLIES = [path for path, method in ROUTES if method == "post"]


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> ASGIApp:
    """The demo, without its waits, and nothing of it kept."""
    monkeypatch.setattr(demo.DemoProvider, "_wait", lambda self, seconds: None)
    return create_app(flags={"backend": "demo", "history": False, "serve.metrics": True})


def answers(app: ASGIApp, path: str, method: str, mode: GenerationMode) -> Counter[int]:
    """How often each status came; what is not as documented fails."""
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    schema.app = app
    schema.config.update(base_url=BASE)
    seen: Counter[int] = Counter()

    @given(case=schema[path][method].as_strategy(generation_mode=mode))
    @settings(
        max_examples=50,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        seen[case.call_and_validate(checks=CHECKS).status_code] += 1

    ask()
    return seen


@pytest.mark.parametrize(("path", "method"), ROUTES)
def test_no_valid_request_is_a_bug_or_has_an_undocumented_answer(
    app: ASGIApp, path: str, method: str
) -> None:
    seen = answers(app, path, method, GenerationMode.POSITIVE)
    assert seen[404 if "{" in path else 200] > 0
    print(path, seen)


@pytest.mark.parametrize("path", REPLIES)
def test_no_invalid_request_is_a_bug_or_has_an_undocumented_answer(app: ASGIApp, path: str) -> None:
    seen = answers(app, path, "post", GenerationMode.NEGATIVE)
    assert seen[400] > 0
    print(path, seen)
