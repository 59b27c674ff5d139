"""Spans of a paragraph to styled text."""

from __future__ import annotations

from functools import cache
from typing import Final

from markdown_it.token import Token
from rich.console import Console
from rich.style import Style

from deepreasoning_cli.sanitize import strip_controls
from deepreasoning_cli.views.markdown.wrap import Run

TAB: Final = 4
_SPANS: Final = {
    "em": "markdown.em",
    "strong": "markdown.strong",
    "s": "markdown.s",
    "a": "markdown.link",
}
CODE: Final = Style(meta={"code": True})
"""Marks a run of inline code, which text from right to left has to be kept apart from."""


class Theme:
    """The styles and signs of a console, under Rich's theme names.

    Backgrounds are left out: they look wrong on half of all terminals and are copied along.
    """

    def __init__(self, console: Console, code_theme: str) -> None:
        self.code_theme = code_theme
        ascii_only = console.options.ascii_only
        self.bullet, self.bar, self.line = ("*", "|", "-") if ascii_only else ("•", "▌", "─")
        self.style = cache(lambda name: without_background(console.get_style(name, default="")))


def without_background(style: Style) -> Style:
    """`style` on whatever background there is."""
    if style.bgcolor is None:
        return style
    return Style.from_color(style.color) + style.without_color


def row_text(text: str) -> str:
    """`text` as it may stand in a row: tabs and line ends that entities made are blanks."""
    if text.isprintable():
        return text
    return strip_controls(text.replace("\t", " " * TAB).replace("\n", " "))


def to_runs(tokens: list[Token], theme: Theme, style: Style) -> list[Run]:
    """The text of the spans, links followed by their address in brackets.

    Images show their description and address; an address is shown once where the text is the same.
    """
    runs: list[Run] = []
    styles = [style]
    links: list[tuple[str, int]] = []
    for token in tokens:
        if token.type == "link_open":
            links.append((str(token.attrs.get("href", "")), len(runs)))
        if token.nesting > 0:
            styles.append(styles[-1] + theme.style(_SPANS[token.tag]))
        elif token.nesting < 0:
            styles.pop()
        else:
            runs += _leaf(token, theme, styles[-1])
        if token.type == "link_close":
            address, first = links.pop()
            text = "".join(text for text, _ in runs[first:])
            runs += _address(address, text, theme, styles[-1])
    return runs


def _leaf(token: Token, theme: Theme, style: Style) -> list[Run]:
    match token.type:
        case "softbreak":
            return [(" ", style)]
        case "hardbreak":
            return [("\n", style)]
        case "code_inline":
            return [(row_text(token.content), style + theme.style("markdown.code") + CODE)]
        case "image":
            runs = to_runs(token.children or [], theme, style + theme.style("markdown.link"))
            text = "".join(text for text, _ in runs)
            return runs + _address(str(token.attrs.get("src", "")), text, theme, style)
        case _:
            return [(row_text(token.content), style)]


def _address(address: str, text: str, theme: Theme, style: Style) -> list[Run]:
    address = row_text(address)
    if not address or address.removeprefix("mailto:") == text.removeprefix("mailto:"):
        return []
    link = style + theme.style("markdown.link_url")
    return [(" (" if text else "(", style), (address, link), (")", style)]
