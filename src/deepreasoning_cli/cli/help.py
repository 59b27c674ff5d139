"""Help: `deepreasoning help`, its topics, and how the page of a command looks.

A page has examples first, then the options in boxes, no name of one ever cut. `typer_hooks` hands
over the facts of a command.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from deepreasoning_cli.errors import UsageError, as_called, did_you_mean, program_name

EXIT_CODES: Final = """\
Exit codes

  0    done
  1    unexpected: a bug; run it again with --debug and report it
  2    usage: a wrong flag or value, an empty prompt, input that is not text
  3    set-up: a key is missing or rejected, or the config file is wrong
  4    refused: a bad request, a retired model, no credit, a cost cap
  5    unavailable: network, timeout, rate limit; nothing was paid; try later
  6    incomplete: what was paid for is kept; `deepreasoning resume` finishes it
  7    cannot write: stdout or the output file takes no more
  129, 130, 143    hung up, interrupted, terminated
  141  the reader of a pipe has gone

With --json an error is one line of JSON on stderr:
{"error": {"stage", "kind", "message", …}}.
"""
ENVIRONMENT: Final = """\
Environment

  DEEPREASONING_NAME         the setting NAME: DEEPREASONING_MODEL=opus; tables
                             with __, as DEEPREASONING_KEYS__LINKUP
  DEEPREASONING_CONFIG       the config file
  DEEPREASONING_DATA_DIR     where the history is kept
  DEEPREASONING_CASSETTE     FILE:record keeps all calls in FILE, FILE:replay
                             plays them again and sends nothing
  VENDOR_API_KEY             the key of DEEPSEEK, ANTHROPIC, OPENROUTER,
                             DEEPINFRA, NOVITA, EMPIRIOLABS, LINKUP
  VENDOR_BASE_URL            where that vendor is reached; also OLLAMA_BASE_URL
  NO_COLOR, FORCE_COLOR      colour off, colour on
  VISUAL, EDITOR             opens what you edit
  PAGER                      shows what is longer than the screen (less)
  HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE    how the network is reached

A flag outranks the environment, the environment outranks the config file.
"""
CONFIG: Final = """\
Configuration

  config init             asks for keys and writes the file
  config show             every setting in force, and where it comes from
  config set model opus   changes one; unset takes it out
  config set keys.NAME    asks for a key, or reads it from stdin
  config edit             opens the file in $EDITOR
  config check            tries the keys
  config path             where the file is

--config FILE uses another file for one run.
"""
TOPICS: Final = {"exit-codes": EXIT_CODES, "environment": ENVIRONMENT, "config": CONFIG}
WIDEST: Final = 100  # cells; longer lines are hard to read
NARROW: Final = 56  # cells between the borders; with fewer a description goes below its option
NAMES: Final = 28  # cells for names beside a description; longer ones have a line of their own
BOLD, CYAN, DIM = "1", "1;36", "2"

EXAMPLES: Final[Mapping[str, Sequence[str]]] = {
    "": (
        'dr "why is the sky dark at night?"',
        'git diff | dr "review this change"',
        'dr -c "and in one sentence?"',
        'dr --backend demo "a look at it, without a key"',
    ),
    "ask": (
        'dr "why is the sky dark at night?"',
        'git diff | dr "review this change"',
        'dr -m opus -f main.py -f test.py "why does the test fail?"',
        'dr -c "and in one sentence?"',
        'dr -x python "a function that finds primes" > primes.py',
    ),
    "chat": (
        "dr chat",
        'git diff | dr chat "what changed?"',
        "dr chat -m opus --session physics",
        "dr chat -c",
    ),
    "resume": ("dr resume", "dr resume 3", "dr resume last --again"),
    "compare": (
        'dr compare "is 1009 a prime number?"',
        'dr compare -m sonnet -m opus "why does the test fail?" -f test.py',
        'dr compare -m opus --effort low --effort high "and why?" --reasoning-from last',
    ),
    "eval": (
        "dr eval --make 60 > questions.jsonl",
        "dr eval questions.jsonl --html report.html",
        "dr eval questions.jsonl --arm reasoner --arm both -m sonnet -m haiku",
    ),
    "batch": (
        "dr batch questions.jsonl -o answers.jsonl",
        "dr batch questions.csv -o answers.jsonl -j 50 --max-cost 20",
        "dr batch questions.jsonl -o answers.jsonl --cheap --by 06:00",
        "cat prompts.txt | dr batch - -o answers.jsonl",
    ),
    "models": ("dr models", "dr models opus", "dr models --all", "dr models default opus"),
    "models list": ("dr models", "dr models --all", "dr models --backend gateway"),
    "models show": ("dr models opus", "dr models show deepseek --json"),
    "models default": ("dr models default opus", "dr models default claude-sonnet-4.5"),
    "price": (
        "dr price",
        'dr price -f report.txt "sum this up"',
        "dr price --input 1000 --reasoning-tokens 3000 --output 500",
        "dr price --spent --since 7d --by model",
    ),
    "history": (
        "dr history",
        "dr history 3",
        "dr history search prime numbers",
        "dr history --since yesterday --status incomplete",
    ),
    "history list": ("dr history", "dr history --session physics -n 10"),
    "history show": ("dr history show", "dr history 3 --reasoning", "dr history last --json"),
    "history search": ("dr history search prime numbers", "dr history search kelv -n 5"),
    "history sessions": ("dr history sessions", "dr history sessions --json"),
    "history picks": ("dr history picks", "dr history picks --json"),
    "history rename": ("dr history rename physics optics", 'dr history rename optics "light"'),
    "history export": (
        "dr history export last -o answer.md",
        "dr history export physics --format html -o physics.html",
    ),
    "history delete": (
        "dr history delete 3",
        "dr history delete --session physics",
        "dr history delete --older-than 30d",
    ),
    "history recover": ("dr history recover", "dr history recover --json"),
    "config": (
        "dr config init",
        "dr config show",
        "dr config set model opus",
        "dr config set keys.anthropic",
    ),
    "config init": ("dr config init", "dr config init --keys-from-env --no-input"),
    "config show": ("dr config show", "dr config show model", "dr config show --json"),
    "config set": (
        "dr config set model opus",
        "dr config set max_cost 0.50",
        "pass show anthropic | dr config set keys.anthropic",
    ),
    "config unset": ("dr config unset model", "dr config unset reasoners.lab"),
    "config path": ("dr config path", 'cat "$(dr config path)"'),
    "config edit": ("dr config edit", "EDITOR=nano dr config edit"),
    "config check": ("dr config check", "dr config check --json"),
    "serve": (
        "dr serve",
        "dr serve --port 9000 -m opus",
        'dr serve --host 0.0.0.0 --token-command "pass show dr"',
    ),
    "completion": ("dr completion --install", 'eval "$(dr completion bash)"'),
    "help": ("dr help ask", "dr help exit-codes", "dr help history show"),
}
COMMON: Final[Mapping[str, Sequence[str]]] = {
    "ask": ("--model", "--reasoner", "--file", "--continue"),
    "chat": ("--model", "--reasoner", "--continue", "--session"),
    "resume": ("--model", "--whole", "--partial", "--again"),
    "compare": ("--model", "--reasoner", "--effort", "--reasoning-from"),
}
"""The options that one needs, by command: they stand on top."""
SHORT: Final[Mapping[str, Sequence[str]]] = {
    "ask": (
        *COMMON["ask"],
        *("--system", "--effort", "--handoff", "--web", "--session", "--edit"),
        *("--reasoning", "--json", "--extract", "--output"),
        *("--max-reasoning", "--max-cost", "--dry-run"),
    )
}
"""The options that `--help` explains; it names the others, and `help COMMAND` has all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An option, an argument or a command, with what is said of it.

    `names` has the short one first; `value` is what it takes, "" for a switch. `box` is the title
    of the box that it stands in.
    """

    names: tuple[str, ...]
    help: str
    value: str = ""
    default: str = ""
    box: str = "Options"

    @property
    def head(self) -> str:
        """Its names and its value."""
        is_long = self.names[0].startswith("--")
        names = ", ".join(self.names)
        return f"{'    ' * is_long}{names}{' ' * bool(self.value)}{self.value}"

    @property
    def text(self) -> str:
        """What is said of it, with its default."""
        if not self.default:
            return self.help
        return f"{self.help.removesuffix('.')} (default: {self.default})."


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpPage:
    """What a page tells of the command at `path`, "" for the program."""

    path: str
    usage: str
    text: str
    entries: Sequence[Entry]
    commands: Sequence[Entry]
    everywhere: Sequence[Entry]
    epilog: str

    def lines(self, width: int, *, whole: bool) -> Iterator[str]:
        """The page in at most `width` cells a line, with styles; `whole` explains every option."""
        width = min(width, WIDEST)
        yield from _wrapped(f"Usage: {program_name()} {self.usage}", width, style=BOLD)
        for paragraph in self.text.split("\n\n"):
            yield ""
            yield from _wrapped(paragraph, width)
        yield from self._examples(width)
        yield ""
        boxes, others = self._boxes(whole=whole)
        for title, entries in boxes.items():
            yield from _box(title, entries, width)
        for notes in self._notes(others):
            yield from _wrapped(notes, width)

    def _examples(self, width: int) -> Iterator[str]:
        if examples := EXAMPLES.get(self.path):
            yield ""
        for example in examples or ():
            yield from _wrapped(called(example), width, indent="   ", style=BOLD)

    def _boxes(self, *, whole: bool) -> tuple[dict[str, list[Entry]], list[str]]:
        """The entries by the title of their box, and the names of options that are left out."""
        common, short = COMMON.get(self.path, ()), SHORT.get(self.path)
        top, others = list[Entry](), list[str]()
        boxes: dict[str, list[Entry]] = {}
        for entry in self.entries:
            name = next((name for name in entry.names if name.startswith("--")), "")
            if not name or name in common:
                top.append(entry)
            elif whole or short is None or name in short:
                boxes.setdefault(entry.box, []).append(entry)
            else:
                others.append(name)
        first = "Options" if "Options" in boxes else next(iter(boxes), "Arguments")
        if common:
            first = "Common"
        ordered = {"Commands": list(self.commands), first: [*top, *boxes.pop(first, ())], **boxes}
        return {title: entries for title, entries in ordered.items() if entries}, others

    def _notes(self, others: Sequence[str]) -> Iterator[str]:
        if others:
            yield f"`{program_name()} help {self.path}` explains these, too: {', '.join(others)}."
        if self.everywhere:
            heads = ", ".join(f"{e.names[0]} {e.value}".strip() for e in self.everywhere)
            yield f"With every command: {heads}, -h."
        if self.epilog:
            yield ""
            yield as_called(self.epilog)


def called(example: str) -> str:
    """The example with the program under the name that the user called."""
    name = program_name()
    return " ".join(name if word == "dr" else word for word in example.split(" ")).replace(
        "$(dr ", f"$({name} "
    )


def _box(title: str, entries: Sequence[Entry], width: int) -> Iterator[str]:
    inner = width - 4
    line = f"─ {title} " + "─" * (width - len(title) - 5)
    yield _styled(f"╭{line}╮", DIM)
    for plain, shown in _rows(entries, inner):
        yield f"{_styled('│', DIM)} {shown}{' ' * (inner - len(plain))} {_styled('│', DIM)}"
    yield _styled(f"╰{'─' * (width - 2)}╯", DIM)


def _rows(entries: Iterable[Entry], inner: int) -> Iterator[tuple[str, str]]:
    """The rows between the borders of a box, plain and styled."""
    entries = list(entries)
    if all(entry.head.startswith("    ") for entry in entries):  # no short names to leave room for
        heads = [entry.head[4:] for entry in entries]
    else:
        heads = [entry.head for entry in entries]
    fitting = [len(head) for head in heads if len(head) <= NAMES]
    column = max(fitting, default=4) if inner >= NARROW else 4
    for entry, head in zip(entries, heads, strict=True):
        texts = textwrap.wrap(entry.text, inner - column - 2, break_on_hyphens=False) or [""]
        first, *more = _head_lines(head, inner)
        if more or inner < NARROW or len(head) > column:
            for line in (first, *more):
                yield line, _head_styled(line, entry)
        else:
            row = f"{first:<{column}}  {texts.pop(0)}"
            yield row, _head_styled(first, entry) + row[len(first) :]
        for text in texts:
            row = f"{'':<{column}}  {text}"
            yield row, row


def _head_lines(head: str, inner: int) -> list[str]:
    """The names and the value; a long value goes on below, where it has a `|`."""
    if len(head) <= inner:
        return [head]
    names, _, value = head.rpartition(" ")
    parts = value.replace("|", "| ").split(" ")
    lines = textwrap.wrap(" ".join(parts), inner - 6, break_long_words=False)
    return [names, *(f"      {line.replace('| ', '|')}" for line in lines)]


def _head_styled(line: str, entry: Entry) -> str:
    """The line with its names bright."""
    for name in entry.names:
        start = line.find(name)
        if start >= 0:
            end = line.rfind(entry.names[-1]) + len(entry.names[-1])
            return line[:start] + _styled(line[start:end], CYAN) + line[end:]
    return line


def _wrapped(text: str, width: int, indent: str = " ", style: str = "") -> Iterator[str]:
    if not text:
        yield ""
    flat = " ".join(text.split())
    for line in textwrap.wrap(
        flat, width - len(indent), break_on_hyphens=False, break_long_words=False
    ):
        yield indent + _styled(line, style)


def _styled(text: str, style: str) -> str:
    """`text` in that style; what prints a page takes styles out where nobody sees them."""
    if not style or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{style}m{text}\x1b[0m"


def help(  # noqa: A001 (the command's name)
    context: typer.Context,
    topic: Annotated[
        list[str] | None,
        typer.Argument(metavar="TOPIC", help="Command, or exit-codes, environment, config."),
    ] = None,
) -> None:
    """Show help on a command or topic."""
    words = topic or []
    name = " ".join(words)
    if name in TOPICS:
        typer.echo(as_called(TOPICS[name]), nl=False)
        return
    root: Any = context.find_root()
    page = root
    for word in words:
        inner = getattr(page.command, "get_command", lambda *_: None)(page, word)
        if inner is None:
            raise _unknown(name, word, [*getattr(page.command, "commands", ()), *TOPICS])
        page = type(context)(inner, info_name=word, parent=page, **inner.context_settings)
    typer.echo(page.command.get_help(page, whole=True))


def _unknown(name: str, word: str, known: list[str]) -> UsageError:
    asks = f'`deepreasoning ask "help {name}"` asks it'
    return UsageError(
        f"there is no help on '{name}'", hint=did_you_mean(word, known, likeness=0.7) or asks
    )
