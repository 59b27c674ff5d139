"""Spans of a paragraph to styled text."""

from __future__ import annotations

from functools import cache
from typing import Final

from markdown_it.token import Token
from rich.console import Console
from rich.style import Style

from deepreasoning_cli.views.markdown.wrap import Run
from deepreasoning_cli.views.safe import rendered

TAB: Final = 4
_SPANS: Final = {
    "em": "markdown.em",
    "strong": "markdown.strong",
    "s": "markdown.s",
    "a": "markdown.link",
}


CODE: Final = Style(meta={"code": True})
"""Marks a run of inline code, which text from right to left has to be kept apart from."""


class Ink:
    """The styles and signs of a console: Rich's theme names, laid over one base style.

    Backgrounds are left out: they look wrong on half of all terminals and are copied along.
    """

    def __init__(self, console: Console, base: Style | None, code_theme: str) -> None:
        self.base = base or Style.null()
        self.code_theme = code_theme
        ascii_only = console.options.ascii_only
        self.bullet, self.bar, self.line = ("*", "|", "-") if ascii_only else ("•", "▌", "─")
        self._console = console
        self.style = cache(self._style)

    def _style(self, name: str) -> Style:
        """The style of this name over the base style."""
        return self.base + without_background(self._console.get_style(name, default=""))


def without_background(style: Style) -> Style:
    """`style` on whatever background there is."""
    if style.bgcolor is None:
        return style
    return Style(
        color=style.color,
        bold=style.bold,
        dim=style.dim,
        italic=style.italic,
        underline=style.underline,
        strike=style.strike,
    )


def shown(text: str) -> str:
    """`text` as it may stand in a row: tabs and line ends that entities made are blanks."""
    if text.isprintable():
        return text
    return rendered(text.replace("\t", " " * TAB).replace("\n", " "))


def styled(tokens: list[Token], ink: Ink, style: Style) -> list[Run]:
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
            styles.append(styles[-1] + ink.style(_SPANS[token.tag]))
        elif token.nesting < 0:
            styles.pop()
        else:
            runs += _leaf(token, ink, styles[-1])
        if token.type == "link_close":
            address, first = links.pop()
            text = "".join(text for text, _ in runs[first:])
            runs += _address(address, text, ink, styles[-1])
    return runs


def _leaf(token: Token, ink: Ink, style: Style) -> list[Run]:
    match token.type:
        case "softbreak":
            return [(" ", style)]
        case "hardbreak":
            return [("\n", style)]
        case "code_inline":
            return [(shown(token.content), style + ink.style("markdown.code") + CODE)]
        case "image":
            runs = styled(token.children or [], ink, style + ink.style("markdown.link"))
            text = "".join(text for text, _ in runs)
            return runs + _address(str(token.attrs.get("src", "")), text, ink, style)
        case _:
            return [(shown(token.content), style)]


def _address(address: str, text: str, ink: Ink, style: Style) -> list[Run]:
    address = shown(address)
    if not address or address.removeprefix("mailto:") == text.removeprefix("mailto:"):
        return []
    link = style + ink.style("markdown.link_url")
    return [(" (" if text else "(", style), (address, link), (")", style)]
