"""Change `config.toml` and keep its comments and order; what would not load is never written."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from deepreasoning_cli import files
from deepreasoning_cli.errors import ConfigError, DeepReasoningError, UsageError, did_you_mean
from deepreasoning_cli.settings.loaded import merge_layers
from deepreasoning_cli.settings.reader import read
from deepreasoning_cli.settings.sources import Layer, flag_of, from_file, leaves

Document = tomlkit.TOMLDocument
Table = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answers:
    """What a new file begins with: settings, and keys as text or `{"command": …}`."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, Any] = field(default_factory=dict, repr=False)


def create(path: Path, answers: Answers, *, overwrite: bool = False) -> None:
    """Write the commented file. Raises UsageError if it exists, or for a wrong answer."""
    refuse_existing(path, overwrite=overwrite)
    tree = {**answers.settings, "keys": {**answers.keys}}
    places = {name: f"flag {_flag(name)}" for name in leaves(tree)}
    merge_layers((Layer(tree, places),), path)
    text = render(
        {name: _as_toml(value) for name, value in answers.settings.items()},
        {name: _as_toml(value) for name, value in answers.keys.items()},
    )
    files.write_atomically(path, text)


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Raise UsageError if the file is there and shall not be replaced."""
    if path.exists() and not overwrite:
        raise UsageError(
            f"{path} exists already",
            hint="change it with `deepreasoning config set` or `edit`; --force starts it anew",
        )


def _flag(name: str) -> str:
    return "--key-command" if name.startswith("keys.") else flag_of(name)


def set_value(path: Path, dotted: str, text: str) -> None:
    """Set a value: `text` as TOML if that is valid there, else as a plain text.

    Raises UsageError for a wrong name or value, ConfigError for a file that was broken before.
    """
    literal = _literal(text)
    if literal is not None:
        with contextlib.suppress(UsageError):
            _change(path, dotted, _setter(dotted, literal))
            return
    _change(path, dotted, _setter(dotted, text))


def set_secret(path: Path, name: str, value: str) -> None:
    """Set `keys.NAME` to exactly this text; raises as `set_value` does."""
    _change(path, f"keys.{name}", _setter(f"keys.{name}", value))


def unset_value(path: Path, dotted: str) -> None:
    """Take a value or a table out, and the tables that it leaves empty; raises as `set_value`."""

    def remove(document: Document) -> None:
        if not _removed(document, dotted.split(".")):
            known = leaves(document.unwrap())
            raise UsageError(f"{dotted} is not set in {path}", hint=did_you_mean(dotted, known))

    _change(path, dotted, remove)


def _change(path: Path, dotted: str, edit: Callable[[Document], None]) -> None:
    if not all(dotted.split(".")):
        raise UsageError(f"{dotted} is not the name of a setting", hint="names look like keys.lab")
    before = _text(path)
    from_file(path, before)  # a file that is not TOML is refused here, with line and column
    document = tomlkit.parse(before)
    edit(document)
    after = tomlkit.dumps(document)
    _refuse_new_problems(path, before, after)
    files.write_atomically(path, after)


def _refuse_new_problems(path: Path, before: str, after: str) -> None:
    """What was wrong already is the file's fault, what is new is the call's."""
    if problem := _problem(path, after):
        known = _problem(path, before)
        if known and known.message.partition(" ")[2] == problem.message.partition(" ")[2]:
            raise known  # it was wrong before, and at this line
        words = problem.message.partition(": ")[2] or problem.message
        raise UsageError(words, hint=problem.hint)


def _text(path: Path) -> str:
    try:
        return read(path)
    except FileNotFoundError:
        return ""


def _problem(path: Path, text: str) -> DeepReasoningError | None:
    try:
        merge_layers((from_file(path, text),), path)
    except ConfigError as exc:
        return exc
    return None


def _literal(text: str) -> Any:
    """The TOML value that `text` spells, in the same spelling, or None."""
    try:
        return tomlkit.value(text)
    except TOMLKitError:
        return None


def _as_toml(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{name} = {_as_toml(item)}" for name, item in value.items())
        return f"{{ {inner} }}"
    return str(tomlkit.item(value).as_string())


def _setter(dotted: str, value: Any) -> Callable[[Document], None]:
    def put(document: Document) -> None:
        *tables, last = dotted.split(".")
        here: Table = document
        for table in tables:
            if not isinstance(here.get(table), Mapping):
                here[table] = tomlkit.inline_table() if here is not document else tomlkit.table()
            here = here[table]
        here[last] = value

    return put


def _removed(table: Table, names: list[str]) -> bool:
    first, *rest = names
    if first not in table:
        return False
    if rest:
        inner = table[first]
        if not isinstance(inner, MutableMapping) or not _removed(inner, rest):
            return False
        if inner:
            return True
    del table[first]
    return True


HEADER = """\
# Settings of deepreasoning. A line that begins with # shows what holds without it.
# Stronger than this file: DEEPREASONING_<NAME> in the environment, then flags.
"""


@dataclass(frozen=True, slots=True)
class TemplateLine:
    """A setting's name within its table, its default as TOML, and what it is for."""

    name: str
    default: str
    comment: str


SETTINGS = (
    TemplateLine("backend", '"auto"', "auto, direct (two keys), gateway (one key), demo (no key)"),
    TemplateLine("model", '"sonnet"', "the Claude model that answers"),
    TemplateLine(
        "reasoner", '"deepseek"', "who thinks: deepseek, openrouter, deepinfra, novita, ollama"
    ),
    TemplateLine("temperature", "0.7", "0 to 2; sent only to models that take it"),
    TemplateLine("top_p", "0.9", "0 to 1; sent only to models that take it"),
    TemplateLine("max_tokens", "8192", "of the answer, 1 to 65536"),
    TemplateLine("handoff", '"reasoning"', "what Claude is shown: reasoning, answer, both, none"),
    TemplateLine("web_search_linkup", "false", "search the web first; needs keys.linkup"),
    TemplateLine("disable_formatting", "false", "true: no list of sources under the answer"),
    TemplateLine("panels", '"box"', "box, or rules: nothing beside the text, safe to copy from"),
    TemplateLine("code_theme", '"ansi_dark"', "colours of code; any Pygments style"),
    TemplateLine("history", "true", "keep what was asked and answered"),
    TemplateLine("max_cost", '"1.00"', "USD for one run; no limit without this line"),
    TemplateLine("daily_cost", '"5.00"', "USD; no limit without this line"),
    TemplateLine("monthly_cost", '"50.00"', "USD; no limit without this line"),
    TemplateLine(
        "on_cap", '"stop"', "answer: the reasoner is stopped early, so that Claude can answer"
    ),
    TemplateLine(
        "timeout", "120", "seconds without any text; the program's own patience without it"
    ),
)
KEYS = (
    TemplateLine("deepseek", '"sk-…"', "the key itself, or a program that prints it:"),
    TemplateLine("anthropic", '{ command = "pass show anthropic" }', "started without a shell"),
    TemplateLine("empiriolabs", '"sk-empiriolabs-…"', "the gateway, in place of the two above"),
    TemplateLine("linkup", '"…"', "web search"),
    TemplateLine("openrouter", '"…"', ""),
    TemplateLine("deepinfra", '"…"', ""),
    TemplateLine("novita", '"…"', ""),
    TemplateLine("serve", '"…"', "the token that callers of `deepreasoning serve` show"),
)
OTHER_TABLES = """\

# [gateway]
# endpoint = "chat_completions"    # chat_completions, responses, messages

# [search]
# depth = "standard"               # standard, or deep: slower, ten times the price

# [serve]
# host = "127.0.0.1"               # another one needs keys.serve
# port = 1337
# workers = 1                      # processes
# drain = 30                       # seconds that running replies get when it is stopped
# byok = false                     # true: callers bring their own keys
# hosts = []                       # other names under which it is called
# origins = []                     # web pages that may call it, as "https://app.example.com"
# streams = 256                    # replies at once
# body_limit = 16777216            # bytes of a request
# keep_alive = 10                  # seconds of silence before a sign of life
# log = "text"                     # text, or json
# metrics = false                  # true: figures at /metrics

# A reasoner of your own, chosen with reasoner = "lab":
# [reasoners.lab]
# base_url = "http://gpu:8000/v1"
# model = "deepseek-ai/DeepSeek-R1-0528"
# key = "lab"                      # a name from [keys]; leave out if none is needed
# rates = { input = 0.5, output = 2.15 }    # USD per million tokens
# opens_thinking = true            # its text begins inside <think> without saying so
# context = 163840                 # tokens

# [base_urls]
# deepseek = "https://api.deepseek.com"
"""


def render(settings: Mapping[str, str], keys: Mapping[str, str]) -> str:
    """The whole file; both mappings hold values written as TOML. The rest stays a comment."""
    own = tuple(
        TemplateLine(name, "", "") for name in keys if name not in {line.name for line in KEYS}
    )
    blocks = [
        HEADER,
        *(_written(line, settings) for line in SETTINGS),
        "\n[keys]\n",
        *(_written(line, keys) for line in KEYS + own),
        OTHER_TABLES,
    ]
    return "".join(blocks)


def _written(line: TemplateLine, answers: Mapping[str, str]) -> str:
    value = answers.get(line.name)
    text = f"{line.name} = {value}" if value else f"# {line.name} = {line.default}"
    return f"{text:<34} # {line.comment}\n" if line.comment else f"{text}\n"
