"""The config file as `config init` writes it: every setting, its default, and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
