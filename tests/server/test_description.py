"""The description is OpenAPI, and says of the routes what the code says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import jsonschema
import pytest
import schemathesis

from deepreasoning_cli import __version__
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.server import create_app, errors
from deepreasoning_cli.server.app import openapi_document
from deepreasoning_cli.server.formats import BY_PATH
from deepreasoning_cli.settings.loaded import load_settings
from deepreasoning_cli.wire.server.chat_completions import ACCEPTED as CHAT_COMPLETIONS
from deepreasoning_cli.wire.server.completions import ACCEPTED as COMPLETIONS
from deepreasoning_cli.wire.server.messages import ACCEPTED as MESSAGES
from deepreasoning_cli.wire.server.model_list import PARAMETER_TYPES
from deepreasoning_cli.wire.server.request import MOST_ASKED, BadRequest
from deepreasoning_cli.wire.server.responses import ACCEPTED as RESPONSES
from support.asgi_calls import call, scope

DOCUMENT = openapi_document()
SCHEMAS = DOCUMENT["components"]["schemas"]
REQUESTS = {
    "ChatCompletionRequest": CHAT_COMPLETIONS,
    "ResponsesRequest": RESPONSES,
    "MessagesRequest": MESSAGES,
    "CompletionRequest": COMPLETIONS,
}
GUARDS = {400, 401, 403, 405, 414, 421, 431, 500}
BODYS = {400, 408, 413, 415}
ANSWERS = [
    (path, method, set(operation["responses"]))
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").removeprefix("#/components/schemas/")
    return SCHEMAS[name] if name else schema


def property_of(request: str, name: str) -> dict[str, Any]:
    return resolved(SCHEMAS[request]["properties"][name])


def validate(value: object, schema: dict[str, Any]) -> None:
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(whole).validate(value)


def test_the_description_is_valid() -> None:
    schemathesis.openapi.from_dict(openapi_document()).validate()
    for schema in SCHEMAS.values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_component_is_there_and_used() -> None:
    used = set(re.findall(r'"#/components/([a-zA-Z0-9/]+)"', json.dumps(DOCUMENT)))
    kinds = ("schemas", "responses", "parameters")
    there = {f"{kind}/{name}" for kind in kinds for name in DOCUMENT["components"][kind]}
    assert used == there


def test_the_version_is_the_one_that_runs() -> None:
    answer = call(create_app(flags={"backend": "demo"}), scope("/openapi.json"))
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json["info"]["version"] == __version__


@pytest.mark.parametrize("request_name", REQUESTS)
@pytest.mark.parametrize("name", PARAMETER_TYPES)
def test_the_six_parameters_have_their_types_and_ranges(request_name: str, name: str) -> None:
    statement = property_of(request_name, name)
    kind = PARAMETER_TYPES[name]
    assert statement["type"] == [kind["type"], "null"]
    limits = {limit: kind.get(limit) for limit in ("minimum", "maximum")}
    if name == "max_tokens":
        limits["maximum"] = MOST_ASKED  # what is above ours counts as ours
    assert {limit: statement.get(limit) for limit in limits} == limits


@pytest.mark.parametrize("name", ["temperature", "top_p", "max_tokens"])
def test_the_ranges_are_those_of_the_settings(name: str) -> None:
    kind = PARAMETER_TYPES[name]
    for limit, beyond in ((kind["minimum"], -1), (kind["maximum"], 1)):
        assert getattr(load_settings(None, {name: limit}).settings, name) == limit
        with pytest.raises(UsageError):
            load_settings(None, {name: limit + beyond})


@pytest.mark.parametrize(
    ("request_name", "name"),
    [
        ("ChatCompletionRequest", "max_completion_tokens"),
        ("ResponsesRequest", "max_output_tokens"),
    ],
)
def test_the_other_names_of_max_tokens_have_its_range(request_name: str, name: str) -> None:
    statement, first = property_of(request_name, name), property_of(request_name, "max_tokens")
    assert (statement["minimum"], statement["maximum"]) == (first["minimum"], first["maximum"])


@pytest.mark.parametrize(("request_name", "accepted"), REQUESTS.items())
def test_what_is_not_supported_is_said_value_for_value(
    request_name: str, accepted: Mapping[str, tuple[object, ...]]
) -> None:
    statement = {name: property_of(request_name, name) for name in accepted}
    assert {name: each.get("enum", [None]) for name, each in statement.items()} == {
        name: [*values, None] for name, values in accepted.items()
    }
    assert all(each["description"].startswith("Not supported") for each in statement.values())


@pytest.mark.parametrize("path", BY_PATH)
def test_a_request_of_required_fields_alone_is_read(path: str) -> None:
    body = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    required = resolved(body["schema"])["required"]
    least = {
        "model": "deepreasoning",
        "input": "6×7?",
        "prompt": "6×7?",
        "messages": [{"role": "user", "content": "6×7?"}],
    }
    example = {name: least[name] for name in required}
    validate(example, body["schema"])
    assert BY_PATH[path].read(example).model == "deepreasoning"
    for name in required:
        with pytest.raises(BadRequest):
            BY_PATH[path].read({other: example[other] for other in required if other != name})


@pytest.mark.parametrize("path", BY_PATH)
def test_every_status_of_a_turn_is_described(path: str) -> None:
    known = (
        GUARDS
        | BODYS
        | errors.FORWARDED_STATUSES
        | set(errors.STATUS_BY_KIND.values())
        | {200, 502, 503}
    )
    statement = {int(status) for status in DOCUMENT["paths"][path]["post"]["responses"]}
    assert statement == known


@pytest.mark.parametrize(("path", "method", "statuses"), ANSWERS)
def test_the_routes_are_those_that_are_described(
    path: str, method: str, statuses: set[str]
) -> None:
    app = create_app(flags={"backend": "demo", "serve.metrics": True})
    name = path.replace("{id}", "deepreasoning")
    assert call(app, scope(name, method.upper())).status == (415 if method == "post" else 200)
    refused = call(app, scope(name, "DELETE"))
    assert refused.status == 405
    assert method.upper() in refused.headers["allow"]
    assert "405" in statuses


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_an_error_has_the_envelope_that_is_described(path: str) -> None:
    app = create_app(flags={"backend": "demo", "serve.metrics": True})
    error = call(app, scope(path, "DELETE")).json
    [operation] = DOCUMENT["paths"][path].values()
    name = operation["responses"]["405"]["$ref"].rpartition("/")[2]
    schema = DOCUMENT["components"]["responses"][name]["content"]["application/json"]["schema"]
    validate(error, schema)
