"""What a vendor's error means, wherever it stands: HTTP status, body of a 200, event of a stream.

The one place that judges: `transport` asks it about statuses and first payloads, the readers of
the formats about everything after. Sources: api-facts.md, sections 1.7, 2.7, 2.9, 3 and 4.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from deepreasoning_cli.errors import ConfigError, DeepReasoningError, RefusedError, UnavailableError
from deepreasoning_cli.keys import Key, redact
from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.wire.client.payload import as_dict, as_text, first_dict

LONGEST_WORDS = 500  # characters of a vendor's message that are passed on
NAMES: Final[Mapping[str, tuple[int, str | None]]] = {
    name: meaning
    for meaning, names in {
        (401, "key_rejected"): (
            *("authentication_error", "invalid_api_key", "missing_api_key", "UNAUTHENTICATED"),
            *("invalid_authentication_error", "InvalidApiKey", "AuthenticationError"),
        ),
        (402, "no_credit"): ("billing_error", "insufficient_credits", "Arrearage"),
        (429, "no_credit"): (
            *("insufficient_quota", "INSUFFICIENT_FUNDS_CREDITS", "EXCEED_BUDGET_LIMIT"),
            *("enforced_spend_limit_reached", "contract_spend_limit_reached"),
            *("exceeded_current_quota_error",),
        ),
        (403, "forbidden"): ("permission_error", "PERMISSION_DENIED", "AccessDeniedException"),
        (404, "not_found"): (
            *("not_found_error", "model_not_found", "NOT_FOUND", "NotFoundError"),
            *("resource_not_found_error", "ResourceNotFoundException", "DeploymentNotFound"),
        ),
        (413, "too_long"): ("request_too_large",),
        (400, "too_long"): ("context_length_exceeded",),
        (400, "no_result"): ("SEARCH_QUERY_NO_RESULT",),  # Linkup's, for a search without results
        (429, "rate_limit"): (
            *("rate_limit_error", "rate_limit_exceeded", "RateLimitError", "RESOURCE_EXHAUSTED"),
            *("rate_limit_reached_error", "ThrottlingException", "Throttling.RateQuota"),
            *("TOO_MANY_REQUESTS", "TASKS_QUEUE_LIMIT_EXCEEDED"),
        ),
        (529, "overloaded"): ("overloaded_error",),
        (503, "overloaded"): (
            *("model_unavailable", "insufficient_system_resource", "UNAVAILABLE"),
            *("engine_overloaded_error", "ServiceUnavailableException"),
        ),
        (502, "server"): ("upstream_error",),
        (409, None): ("conflict_error",),
        (504, None): ("timeout_error",),
        (500, None): ("api_error", "server_error", "InternalServerError", "INTERNAL"),
        (400, None): (
            *("invalid_request_error", "invalid_prompt", "INVALID_ARGUMENT"),
            *("BadRequestError", "bad_request_error", "ValidationException"),
            *("content_policy_violation", "VALIDATION_ERROR"),
        ),
    }.items()
    for name in names
}
"""The vendors' codes and types: the status that goes with each, and the kind where it says more
than a status does. DeepSeek puts `invalid_request_error` on everything."""
PHRASES: Final[Mapping[str, tuple[int, str]]] = {
    "credit balance": (400, "no_credit"),
    "insufficient balance": (402, "no_credit"),
    "context length": (400, "too_long"),
    "too long": (400, "too_long"),
}
"""How Anthropic and DeepSeek word in a 400 what has no name of its own."""
UNNUMBERED: Final[Mapping[str, tuple[int, str]]] = {
    "context window": (400, "too_long"),
    "model does not exist": (404, "not_found"),
    "model not found": (404, "not_found"),
    "not found, try pulling": (404, "not_found"),
    "invalid api key": (401, "key_rejected"),
    "incorrect api key": (401, "key_rejected"),
    "exceeded your current quota": (429, "no_credit"),
    "rate limit": (429, "rate_limit"),
    "too many requests": (429, "rate_limit"),
}
"""How hosts word it where nothing has a number or a name (SiliconFlow, Ollama, gateways)."""
STATUS_KINDS: Final[Mapping[int, str]] = {
    401: "key_rejected",
    402: "no_credit",
    403: "forbidden",
    404: "not_found",
    407: "proxy",
    408: "server",
    409: "server",
    413: "too_long",
    429: "rate_limit",
    503: "overloaded",
    529: "overloaded",
}
RETRYABLE: Final = frozenset({"rate_limit", "overloaded", "server"})
"""The kinds that waiting can heal."""
FAILED: Final = frozenset({"failed", "cancelled", "canceled", "expired"})
"""The `status` of a response that nothing more comes of."""
ERROR_SIGNS: Final = frozenset(
    {"message", "msg", "detail", "errors", "error_msg", "base_resp", "Message", "errorMessage"}
)
"""Fields that only an error has, where no known format explains the payload."""
PROXY_LOGIN: Final = "write it into the proxy's address: http://user:password@host:port"


class Meaning(NamedTuple):
    """What a kind of error is told as: the class, what the host did, and advice.

    `has_status` says that the words need no status behind them.
    """

    error: type[DeepReasoningError]
    what: str
    hint: str
    has_status: bool = False


MEANINGS: Final[Mapping[str, Meaning]] = {
    "no_credit": Meaning(RefusedError, "no credit left", "top up the account"),
    "forbidden": Meaning(
        RefusedError,
        "access denied",
        "check the rights of the key and whether your region is served",
    ),
    "not_found": Meaning(
        RefusedError,
        "unknown model or address",
        "`deepreasoning models` lists the models; or check the base URL",
    ),
    "too_long": Meaning(
        RefusedError,
        "the request is too long",
        "shorten the prompt, drop files, or choose a model with a larger context",
    ),
    "no_result": Meaning(
        RefusedError, "no results", "word the question differently", has_status=True
    ),
    "bad_request": Meaning(
        RefusedError, "request refused", "change the request as the message says"
    ),
    "rate_limit": Meaning(UnavailableError, "rate limited", "try again later"),
    "overloaded": Meaning(UnavailableError, "unavailable", "try again later"),
    "server": Meaning(UnavailableError, "server error", "try again later"),
    "proxy": Meaning(UnavailableError, "the proxy asks for a login", PROXY_LOGIN),
    "stream_error": Meaning(UnavailableError, "the reply broke off", "try again in a minute"),
}


class ApiAccount(NamedTuple):
    """Who was asked and with which key, for the words and the advice of an error.

    `top_up` is the page where credit is bought.
    """

    host: str
    key: Key | None = None
    top_up: str | None = None

    def redact(self, text: str) -> str:
        """`text` without the key."""
        return redact(text, (self.key.value,)) if self.key else text


UNNAMED_ACCOUNT: Final = ApiAccount("the server")


@dataclass(frozen=True, slots=True)
class ErrorDetails:
    """What an error says, judged: `kind` is our word, `status` the HTTP status that it has or,
    inside a reply, would have had; None where nothing tells. The key may be in `message`.
    """

    kind: str
    status: int | None
    message: str
    request_id: str | None = None


def read_error(error: object, status: int | None = None, request_id: object = None) -> ErrorDetails:
    """Judge an `error` object or text; `status` is that of an HTTP reply that is no success."""
    from deepreasoning_cli.wire.client.error_bodies import read_words  # most replies hold none

    said = read_words(error)
    meanings = [NAMES[name] for name in said.names if name in NAMES]
    named, kind = min(meanings, key=lambda meaning: not meaning[1], default=(None, None))
    reported = status or said.status  # OpenRouter and vLLM write the status into `code`
    if kind is None and (reported or named) in (None, 400):
        named, kind = _phrase(said.message, reported or named) or (named, None)
    status = reported or named
    kind = kind or _kind_of(status)
    words = said.message or (error_text(error) if kind == "stream_error" else "")
    return ErrorDetails(kind, status, words, as_text(request_id) or None)


def read_error_body(body: object, status: int, request_id: object) -> ErrorDetails:
    """Judge the body of an HTTP reply: JSON in the envelope of any vendor's, or text."""
    return read_error(body, status, request_id)


def error_in(payload: Payload) -> ErrorDetails | None:
    """The error that a payload of a successful reply holds, in any format; None for most.

    Anthropic sends `error` events after a 200, OpenRouter a chunk with `error` and the status in
    its `code`, Responses an `error` event or a response that failed.
    """
    error = _find_error(payload)
    return None if error is None else read_error(error, request_id=payload.get("request_id"))


def error_text(error: object) -> str:
    """A vendor's own words for a failure on one line, from an `error` object or string."""
    message = as_text(error)
    for name in ("message", "code", "type"):
        message = message or as_text(as_dict(error).get(name))
    return " ".join(message.split())[:LONGEST_WORDS] or "no reason given"


def raise_for_error(payload: Payload, account: ApiAccount) -> None:
    """Raise what `to_exception` makes of the error that a payload of a reply holds, if any."""
    if details := error_in(payload):
        raise to_exception(details, account)


def has_text(payload: Payload) -> bool:
    """Whether a payload of Chat Completions brings text beside the error in it."""
    choice = first_dict(payload.get("choices"))
    message = as_dict(choice.get("delta") or choice.get("message"))
    return any(value for name, value in message.items() if name != "role")


def brings_text(payload: Payload) -> bool:
    """Whether an event of any format brings text, or what stands for it: its delta is not empty."""
    delta = payload.get("delta")
    if isinstance(delta, dict):
        return any(value for name, value in delta.items() if name != "type")
    return bool(delta) or has_text(payload)


def to_exception(
    details: ErrorDetails, account: ApiAccount, meaning: Meaning | None = None
) -> DeepReasoningError:
    """The exception for an error at `account`, without the key; `meaning` replaces our own."""
    error, what, hint, has_status = meaning or _meaning(details, account)
    number = f" ({details.status})" if details.status and not has_status else ""
    words = account.redact(details.message)[:LONGEST_WORDS]  # a key cut in two would be shown
    reason = f": {words}" if words else ""
    return error(
        f"{account.host}: {what}{number}{reason}",
        hint=hint,
        kind="key_missing" if details.kind == "key_rejected" and not account.key else details.kind,
        status=details.status,
        request_id=account.redact(details.request_id) if details.request_id else None,
    )


def _phrase(message: str, status: int | None) -> tuple[int, str] | None:
    """What the words of a 400 tell; without a status, `took too long` tells nothing."""
    words = message.lower()
    phrases = PHRASES if status else {**PHRASES, **UNNUMBERED}
    found = [phrase for phrase in phrases if phrase in words and (status or phrase != "too long")]
    return phrases[found[0]] if found else None


def _kind_of(status: int | None) -> str:
    if status is None:
        return "stream_error"
    return STATUS_KINDS.get(status) or ("server" if status >= 500 else "bad_request")


def _find_error(payload: Payload) -> object:
    if error := payload.get("error"):
        return error
    kind = payload.get("type")
    if kind == "error":
        return {name: payload.get(name) for name in ("code", "message")}
    if payload.get("choices"):
        choice = first_dict(payload["choices"])
        return choice.get("error") or _failed(choice.get("finish_reason"))
    if kind in ("message_delta", "message"):
        return _failed(as_dict(payload.get("delta", payload)).get("stop_reason"))
    if "response" in payload or kind == "response.failed" or payload.get("object") == "response":
        return _response_error(payload)
    if not ERROR_SIGNS.isdisjoint(payload):
        from deepreasoning_cli.wire.client.error_bodies import bare_error

        return bare_error(payload)
    return None


def _failed(reason: object) -> str | None:
    """A stop reason that says that the host failed: OpenRouter's `error`, vLLM's `abort`."""
    reason = as_text(reason)
    from deepreasoning_cli.pipeline.stop_reasons import Ending, ending_of

    return reason if ending_of(reason) is Ending.BROKEN else None


def _response_error(payload: Payload) -> object:
    response = as_dict(payload.get("response", payload))
    failed = response.get("status") in FAILED or payload.get("type") == "response.failed"
    return response.get("error") or ({} if failed else None)


def _meaning(details: ErrorDetails, account: ApiAccount) -> Meaning:
    if details.kind == "key_rejected":
        return _key_meaning(account.key)
    meaning = MEANINGS[details.kind]
    if details.kind == "no_credit" and account.top_up:
        return meaning._replace(hint=f"{meaning.hint} at {account.top_up}")
    return meaning._replace(what="overloaded") if details.status == 529 else meaning


def _key_meaning(key: Key | None) -> Meaning:
    if key is None:
        return Meaning(ConfigError, "a key is needed", "set a key for this host")
    what = f"rejected the {key.name} key {key.masked} from {key.origin}"
    variable = key.origin.removeprefix("environment ")
    if variable != key.origin:  # a key set in the file would not be heard
        hint = f"correct {variable}: the environment outranks the config file"
    else:
        hint = f"replace it: `deepreasoning config set keys.{key.name}`"
    return Meaning(ConfigError, what, hint)
