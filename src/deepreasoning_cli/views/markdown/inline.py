"""Spans of a paragraph to styled text."""

from __future__ import annotations

from functools import cache
from typing import Final

from markdown_it.token import Token
from rich.color import Color, ColorType
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
_LINKS: Final = {
    "markdown.link": Style(color="cyan"),
    "markdown.link_url": Style(color="cyan", underline=True),
}
"""Rich has blue, which cannot be read on the black of the standard palette."""
_PLAIN_COLORS: Final = {9: 1, 10: 2, 11: 3, 12: 5, 13: 5, 14: 6}
"""Bright colours of a terminal, and what stands for them: in Solarized most of them are greys."""
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
        self.style = cache(
            lambda name: _LINKS.get(name) or readable(console.get_style(name, default=""))
        )


def readable(style: Style) -> Style:
    """`style` on whatever background and palette there is."""
    color = style.color
    if color and color.type is ColorType.STANDARD and color.number in _PLAIN_COLORS:
        color = Color.from_ansi(_PLAIN_COLORS[color.number])
    if style.bgcolor is None and color is style.color:
        return style
    return Style.from_color(color) + style.without_color


def row_text(text: str) -> str:
    """`text` as it may stand in a row: tabs and line ends that entities made are blanks."""
    if text.isprintable():
        return text
    return strip_controls(text.replace("\t", " " * TAB).replace("\n", " "))


def to_runs(tokens: list[Token], theme: Theme, style: Style) -> list[Run]:
    """The text of the spans, links followed by their address and title in brackets.

    Images show their description too; an address is shown once where the text is the same. A line
    of the source is a line on the screen: models mean it so in poems, addresses and dialogues.
    """
    runs: list[Run] = []
    styles = [style]
    links: list[tuple[Token, int]] = []
    for token in tokens:
        if token.type == "link_open":
            links.append((token, len(runs)))
        if token.nesting > 0:
            styles.append(styles[-1] + theme.style(_SPANS[token.tag]))
        elif token.nesting < 0:
            styles.pop()
        else:
            runs += _leaf(token, theme, styles[-1])
        if token.type == "link_close":
            link, first = links.pop()
            text = "".join(text for text, _ in runs[first:])
            runs += _address(link, text, theme, styles[-1])
    return runs


def _leaf(token: Token, theme: Theme, style: Style) -> list[Run]:
    match token.type:
        case "softbreak" | "hardbreak":
            return [("\n", style)]
        case "formula":
            return [("\n".join(map(row_text, token.content.split("\n"))), style)]
        case "code_inline":
            return [(row_text(token.content), style + theme.style("markdown.code") + CODE)]
        case "image":
            runs = to_runs(token.children or [], theme, style + theme.style("markdown.link"))
            text = "".join(text for text, _ in runs)
            return runs + _address(token, text, theme, style)
        case _:
            return [(row_text(token.content), style)]


def _address(link: Token, text: str, theme: Theme, style: Style) -> list[Run]:
    """Where a link or image of this text leads, and its title, in brackets."""
    address = row_text(str(link.attrs.get("href") or link.attrs.get("src", "")))
    title = row_text(str(link.attrs.get("title", "")))
    if address.removeprefix("mailto:") == text.removeprefix("mailto:"):
        address = ""
    words = f'{address} "{title}"'.lstrip() if title else address
    if not words:
        return []
    return [
        (" (" if text else "(", style),
        (words, style + theme.style("markdown.link_url")),
        (")", style),
    ]
