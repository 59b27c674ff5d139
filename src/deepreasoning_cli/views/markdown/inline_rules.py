"""Rules for the spans of a paragraph, where CommonMark's are not what models mean.

Models write `2*3*4`, `__init__`, `*.py`, formulas of LaTeX, and bold words next to Chinese
punctuation. A sign is a mark only where it plainly is one; everywhere else it is text.
"""

from __future__ import annotations

import re
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.common.utils import isMdAsciiPunct, isPunctChar, isWhiteSpace
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_inline import StateInline, autolink, escape, link
from markdown_it.rules_inline.state_inline import Scanned
from markdown_it.token import Token
from markdown_it.utils import EnvType

LONGEST_FORMULA: Final = 2_000
"""Characters of a formula in a paragraph; one in single dollars is shorter, as prices are there."""

# The text between single dollars touches both, and no digit follows: `$5 and $6` are prices.
_DOLLAR: Final = r"\$(?![\s$])(?:[^$`\\]|\\[^`]){{1,400}}{}"
_ENVIRONMENTS: Final = (
    (r"\$\$(?!\$)", r"\$\$"),
    (r"\\\(", r"\\\)"),
    (r"\\\[", r"\\\]"),
    (r"\\begin\{(?P<name>\w+\*?)\}", r"\\end\{(?P=name)\}"),
)
FORMULA: Final = re.compile(
    "|".join(
        (
            *(f"{start}[^`]{{1,{LONGEST_FORMULA}}}?{end}" for start, end in _ENVIRONMENTS),
            _DOLLAR.format(r"?(?<!\s)\$(?!\d)"),
        )
    )
)
"""A whole formula of LaTeX."""
_OPEN_FORMULA: Final = re.compile(
    "(?:"
    + "|".join(
        (
            *(
                f"{start.replace('(?P<name>', '(?:')}[^`]{{0,{LONGEST_FORMULA}}}"
                for start, _ in _ENVIRONMENTS
            ),
            _DOLLAR.format(r"\\?"),
        )
    )
    + r")\Z"
)
"""A formula that may still end: up to the end of the text."""

_SIGNS: Final = re.compile(r"[\n!$&*:<\[\\\]_`~]")
"""Where a rule may find something; the text in between is taken at once."""
_ESCAPES: Final = frozenset("*_`#<>&|~$-+\n")
_NUMBER: Final = re.compile(r"(?:\A|\s)\d{1,9}\Z")
_NAME: Final = re.compile(r"__(?:[a-z][A-Za-z0-9_]*|[A-Z][A-Z0-9_]*)__(?![A-Za-z0-9_])")
_ARGUMENTS: Final = re.compile(r"\*{1,2}(?:args|kwargs|kw)(?![\w*])")
_ADDRESS: Final = re.compile(r"://[\w/.~%=?#@:+,;!'-]*[\w/%=?#@+-](?<!_)", re.ASCII)
_SUBSCRIPT: Final = re.compile(r"\[[^\[\]\n]*\]\([\w\s,]*\)")
_ANGLE_LINK: Final = re.compile(r"<(?:[\w+.-]+://|mailto:|tel:|[^\s<>@]+@[^\s<>@]+\.)")
_CJK: Final = re.compile(
    "[\u1100-\u11ff\u2e80-\u30ff\u3100-\u4dbf\u4e00-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
    "\ufe30-\ufe4f\uff00-\uffef\U00016fe0-\U00018cff\U0001aff0-\U0001b16f\U0001f200-\U0001f2ff"
    "\U00020000-\U0003ffff]"
)
_BLANK_OR_STAR: Final = re.compile(r"[\s*]")
_BEFORE_QUOTES: Final = ("", *" \n([{=,:")
_LAST_OF_WORDS: Final = ":.!?,;…”’"
_OPENING: Final = "“‘«「『（《〈【〔［"
_BEHIND_NO_OPENING: Final = ",;)]}"


class SpanState(StateInline):
    """The state of reading a paragraph. `open_formulas`: where formulas begin that have no end."""

    def __init__(self, src: str, md: MarkdownIt, env: EnvType, outTokens: list[Token]) -> None:  # noqa: N803 - the library's name
        super().__init__(src, md, env, outTokens)
        self.open_formulas: list[int] = []

    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:  # noqa: N802, N803 - the library's names
        """Whether the run of `*`, `_` or `~` at `start` may begin or end a span, and its length."""
        run = Run(self.src, start, self.posMax)
        opens, closes = run.left_flanking, run.right_flanking
        match run.sign, run.length:
            case "_", _:
                opens, closes = _underscores(run)
            case "*", 1:
                opens, closes = _star(run)
            case "*", _:
                opens, closes = _stars(run)
        return Scanned(opens, closes, run.length)


class Run:
    """A run of one sign, and what stands on both sides of it.

    Flanking is CommonMark's word: a run with text on its right is left-flanking. Punctuation does
    not count as text, unless it is of a script that is written without blanks.
    """

    def __init__(self, source: str, start: int, limit: int) -> None:
        self.source, self.start, self.sign = source, start, source[start]
        end = start
        while end < limit and source[end] == self.sign:
            end += 1
        self.end, self.length = end, end - start
        self.before = source[start - 1] if start else " "
        self.after = source[end] if end < limit else " "
        self.left_flanking = _flanks(self.before, self.after)
        self.right_flanking = _flanks(self.after, self.before)
        # A quotation mark that begins a quotation, in front of a run, is like a bracket.
        quoting = self.before in "\"'" and source[max(0, start - 2) : start - 1] in _BEFORE_QUOTES
        self.opened = quoting or self.before in "([{<"
        self.in_word = _is_word(self.before) and _is_word(self.after)
        self.alone = self.opened and self.after in ")]}>\"'"


class SpanParser(ParserInline):
    """Reads paragraphs by our rules."""

    def __init__(self) -> None:
        super().__init__()
        self.terminator_re = _SIGNS
        rules = self.ruler
        rules.before("escape", "formula", _formula)
        rules.before("formula", "address", _address)
        rules.before("emphasis", "name", _name)
        rules.at("escape", _escape)
        rules.at("link", _link)
        rules.at("autolink", _autolink)

    def parse(self, src: str, md: MarkdownIt, env: EnvType, tokens: list[Token]) -> list[Token]:
        """The spans of a text."""
        return self.read(src, md, env, tokens).tokens

    def read(self, src: str, md: MarkdownIt, env: EnvType, tokens: list[Token]) -> SpanState:
        """The state after the last character of a text."""
        state = SpanState(src, md, env, tokens)
        self.tokenize(state)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state


def spans_formula(text: str, start: int) -> bool:
    """Whether a formula begins at `start`, or may do so once more text is there."""
    return bool(FORMULA.match(text, start) or _OPEN_FORMULA.match(text, start))


def _flanks(outer: str, inner: str) -> bool:
    if isWhiteSpace(ord(inner)):
        return False
    return not _is_punctuation(inner) or (
        isWhiteSpace(ord(outer)) or _is_punctuation(outer) or bool(_CJK.match(outer))
    )


def _is_punctuation(character: str) -> bool:
    punctuation = isMdAsciiPunct(ord(character)) or isPunctChar(character)
    return punctuation and not _CJK.match(character)


def _is_word(character: str) -> bool:
    """Whether it is a letter or digit of a script that separates words with blanks."""
    return character == "_" or (character < "\u0530" and character.isalnum())


def _underscores(run: Run) -> tuple[bool, bool]:
    """In a word, a path or behind a dot they are of a name."""
    opens = run.left_flanking and run.before not in "./\\"
    closes = run.right_flanking
    if run.length > 1 and (_CJK.match(run.before) or _CJK.match(run.after)):
        return opens and not _is_word(run.before), closes and not _is_word(run.after)
    opens = opens and (not run.right_flanking or _is_punctuation(run.before))
    return opens, closes and (not run.left_flanking or _is_punctuation(run.after))


def _star(run: Run) -> tuple[bool, bool]:
    """A single one may be of a product, a pattern, a pointer or a comment."""
    before, after = run.before, run.after
    product = before in ")]}" and (_is_word(after) or after in "([{")
    if run.in_word or run.alone or product:
        return False, False
    dots = run.source.startswith("...", run.end)
    opens = not (_is_word(before) or before in "./)]}") and (
        dots or after not in _BEHIND_NO_OPENING + ".:!?/|=>"
    )
    factor = before.isdigit() and after == "("
    closes = run.right_flanking and not run.opened and before != "/" and not factor
    return run.left_flanking and opens, closes


def _stars(run: Run) -> tuple[bool, bool]:
    """Two or more may be of a power, of keyword arguments or of a path's pattern."""
    before, after, source = run.before, run.after, run.source
    if run.alone:
        return False, False
    if run.in_word:
        power = before in "0123456789_" or after in "0123456789_"
        first_letters = _bold_before(run).replace("-", "").isalpha()  # of a word that goes on
        return not power and _ends_a_word(run), not power and first_letters
    pattern = before == "/" or source.startswith("/*", run.end)
    opens = run.left_flanking and after not in _BEHIND_NO_OPENING and not pattern
    closes = run.right_flanking or (before in _LAST_OF_WORDS and not isWhiteSpace(ord(after)))
    closes = closes and after not in _OPENING
    if before == "/":  # of `src/**`, unless the folder is what is bold
        folder = _bold_before(run)
        closes = closes and after != "/" and bool(folder) and not _BLANK_OR_STAR.search(folder)
    return opens, closes and not run.opened


def _ends_a_word(run: Run) -> bool:
    """Whether the next run closes letters alone, and no word goes on behind it."""
    match = re.compile(rf"[^\W\d_]+\*{{{run.length}}}(?![\w*])").match(run.source, run.end)
    return match is not None


def _bold_before(run: Run) -> str:
    """What lies between this run and the one before, if that one stands in front of a word."""
    place = run.source.rfind(run.sign * run.length, 0, run.start)
    if place < 0 or (place and _is_word(run.source[place - 1])):
        return ""
    return run.source[place + run.length : run.start]


def _formula(state: StateInline, silent: bool) -> bool:
    """A formula is left as it is."""
    sign, start = state.src[state.pos], state.pos
    if sign not in "$\\" or (sign == "$" and start and _is_word(state.src[start - 1])):
        return False
    match = FORMULA.match(state.src, start, state.posMax)
    if match is None:
        if isinstance(state, SpanState) and _OPEN_FORMULA.match(state.src, start, state.posMax):
            state.open_formulas.append(start)
        return False
    if not silent:
        state.push("formula", "", 0).content = match.group()
    state.pos = match.end()
    return True


def _escape(state: StateInline, silent: bool) -> bool:
    """A backslash goes only where it keeps a sign from being a mark; others are of the text."""
    source, start = state.src, state.pos
    if source[start] != "\\" or start + 1 >= state.posMax:
        return False
    sign = source[start + 1]
    number = sign in ".)" and _NUMBER.search(source, max(0, start - 10), start)
    image = sign == "!" and source.startswith("[", start + 2)
    if sign in _ESCAPES or number or image:
        return escape(state, silent)
    if not isMdAsciiPunct(ord(sign)):
        return False
    return _as_text(state, silent, start + 2)


def _name(state: StateInline, silent: bool) -> bool:
    """`__init__` is a name; `*args` and `**kwargs` are arguments."""
    pattern = {"_": _NAME, "*": _ARGUMENTS}.get(state.src[state.pos])
    if pattern is None or (state.pos and _is_word(state.src[state.pos - 1])):
        return False
    match = pattern.match(state.src, state.pos, state.posMax)
    return match is not None and _as_text(state, silent, match.end())


def _address(state: StateInline, silent: bool) -> bool:
    """What follows `://` has no marks."""
    if state.src[state.pos] != ":":
        return False
    match = _ADDRESS.match(state.src, state.pos, state.posMax)
    return match is not None and _as_text(state, silent, match.end())


def _link(state: StateInline, silent: bool) -> bool:
    """`handlers[name](event)` is a call."""
    start = state.pos
    if (
        start
        and state.src[start] == "["
        and (_is_word(state.src[start - 1]) or state.src[start - 1] in ")]")
        and _SUBSCRIPT.match(state.src, start, state.posMax)
    ):
        return _as_text(state, silent, start + 1)
    return link(state, silent)


def _autolink(state: StateInline, silent: bool) -> bool:
    """`<host:port>` is no address."""
    known = _ANGLE_LINK.match(state.src, state.pos, state.posMax)
    return known is not None and autolink(state, silent)


def _as_text(state: StateInline, silent: bool, end: int) -> bool:
    if not silent:
        state.append_pending(state.src[state.pos : end])
    state.pos = end
    return True
