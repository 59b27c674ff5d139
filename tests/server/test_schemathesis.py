"""What schemathesis makes of the description is answered as the description says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.types import ASGIApp

from deepreasoning_cli.providers import demo
from deepreasoning_cli.server import create_app
from deepreasoning_cli.server.description import description

BASE = "http://127.0.0.1:1337"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
PATHS = sorted(description()["paths"])


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ASGIApp:
    """The demo, without its waits, and nothing of it kept."""
    monkeypatch.setattr(demo.Scripted, "_wait", lambda self, seconds: None)
    return create_app(flags={"backend": "demo", "history": False, "serve.metrics": True})


@pytest.mark.parametrize("path", PATHS)
def test_no_generated_request_is_a_bug_or_has_an_undocumented_answer(
    app: ASGIApp, path: str
) -> None:
    schema = schemathesis.openapi.from_dict(description())
    schema.app = app
    schema.config.update(base_url=BASE)
    [(method, operation)] = schema[path].items()

    @given(case=operation.as_strategy())
    @settings(max_examples=60, derandomize=True, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck))
    def ask(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    ask()
