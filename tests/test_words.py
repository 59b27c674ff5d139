"""What can be guarded of the words that a person reads."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import deepreasoning_cli

SOURCE = Path(deepreasoning_cli.__file__).parent
FORBIDDEN = (
    *("Input should", "Value error", "Invalid value for", "requires an argument"),
    *(
        "exclude each other",
        "this is no time",
        "stand in quotes",
        "goes on from",
        "took {name} out",
    ),
    *("asks for credit", "limits the rate", "forbids it", "is asked instead", "was asked, "),
    *("No room for", "Go on from", "Go on in", "cost so much", "for so long", "At most so many"),
    *("So many processes", "if not given", "is taken", "taken and ignored", "that holds now"),
    *("nobody knows", "is not its to do", "the nearest is"),
)
"""Phrases of the libraries beneath, and those that were replaced by plainer ones."""
TELLS = re.compile(
    r"[`{/-]|did you mean |if |keys\.|DEEPREASONING_|or |no key yet\?|the history is empty$"
    r"|there are no |only |nothing was |another "
)
"""How advice may begin that does not begin with what to do."""
TO_DO = {
    *(
        "add",
        "ask",
        "attach",
        "change",
        "check",
        "close",
        "choose",
        "copy",
        "correct",
        "cut",
        "drop",
    ),
    *("export", "give", "install", "leave", "lower", "make", "name", "pass", "print", "put"),
    *("raise", "redirect", "replace", "run", "save", "see", "set", "shorten", "take", "top", "try"),
    *("unset", "update", "use", "wait", "word", "write"),
}


def texts(node: ast.expr | None) -> Iterator[str]:
    """The texts that an expression may be, what is put into them as `{}`."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(
                part.value if isinstance(part, ast.Constant) else "{}"  # type: ignore[misc]
                for part in parts
            )
        case ast.IfExp(body=body, orelse=other):
            yield from texts(body)
            yield from texts(other)
        case ast.Tuple(elts=each) | ast.List(elts=each) | ast.BoolOp(values=each):
            for one in each:
                yield from texts(one)


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        yield path.relative_to(SOURCE), ast.parse(path.read_text("utf-8"))


def test_no_text_holds_a_phrase_that_was_replaced() -> None:
    found = []
    for path, tree in trees():
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in docstrings:
                for text in texts(node):
                    found += [f"{path}: {text}" for phrase in FORBIDDEN if phrase in text]
    assert found == []


def test_advice_begins_with_what_to_do() -> None:
    wrong, seen = [], 0
    for path, tree in trees():
        for node in ast.walk(tree):
            advice = [
                *(word.value for word in getattr(node, "keywords", ()) if word.arg == "hint"),
                *(node.args[:1] if isinstance(node, ast.Call) and is_advising(node.func) else ()),
            ]
            for text in (text for each in advice for text in texts(each)):
                seen += 1
                if text.split(" ")[0].rstrip(",:;") not in TO_DO and not TELLS.match(text):
                    wrong.append(f"{path}: {text}")
    assert wrong == []
    assert seen > 80


def is_advising(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and function.attr == "advise"
