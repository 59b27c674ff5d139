"""`--exact`: Anthropic's own count of a prompt's tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from deepreasoning_cli.cli.boundary import write_stderr
from deepreasoning_cli.cli.options import Globals
from deepreasoning_cli.cli.price.scope import Scope
from deepreasoning_cli.errors import ConfigError, DeepReasoningError
from deepreasoning_cli.events import Message, Prompt
from deepreasoning_cli.views.safe import one_line
from deepreasoning_cli.wiring.resources import open_transport


def exact_counts(
    scope: Scope, prompt: str, say: Callable[[str, str], None], given: Globals
) -> Mapping[str, int]:
    """Tokens by model id, one call for each; a model that cannot be counted is a warning.

    Raises ConfigError without a key that works.
    """
    from deepreasoning_cli.providers.count import count_tokens
    from deepreasoning_cli.transport.client import ignore

    loaded, catalog = scope.known.loaded, scope.known.catalog
    key = loaded.key("anthropic")
    if key is None:
        hint = "export ANTHROPIC_API_KEY=…, or leave --exact out"
        raise ConfigError("--exact needs a key of Anthropic's", kind="key_missing", hint=hint)
    base = loaded.settings.base_urls.get("anthropic", catalog.vendor("anthropic").base_url)
    question = Prompt((Message("user", prompt),))
    found: dict[str, int] = {}
    with open_transport(loaded, ignore, _log if given.debug else ignore) as transport:
        for model in scope.models():
            if scope.known.is_retired(model):
                continue  # Anthropic knows it no more
            try:
                found[model.id] = count_tokens(transport, base, key, model.id, question)
            except ConfigError:
                raise
            except DeepReasoningError as error:
                say("warning", f"the input of {model.id} is estimated: {error.message}")
    return found


def _log(line: str) -> None:
    write_stderr(one_line(f"debug: {line}", 4000))
