"""Rules for blocks: CommonMark's, with tables, formulas and what a stream needs.

Two rules are there so that a long paragraph can be shown before its end: the text over a `===` or
`---` line is a heading, and the line over a `|---|` line a table's head, only up to `LONG`
characters.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from markdown_it import MarkdownIt, rules_block
from markdown_it.parser_block import RuleFuncBlockType
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock

from deepreasoning_cli.views.markdown.inline_rules import FORMULA

LONG: Final = 400
"""Characters after which a paragraph can be nothing else any more."""
PLACEHOLDER: Final = "\0"
"""Stands in the source for text that was shown already; sanitised text has none."""
MAX_NESTING: Final = 24
"""Nesting level at which `>` and list markers become text, so that nothing is dropped."""

_TABLE_RULE: Final = re.compile(r"\|?(?:[ \t]*:?-+:?[ \t]*\|)*[ \t]*:?-+:?[ \t]*\|?")
_CELL_PART: Final = re.compile(r"\\[^`]?|(`+)|[$|]|[^\\`$|]+")
_FORMULA_START: Final = re.compile(r"\$\$(?!\$)|\\\[|\\begin\{(\w+\*?)\}")


def use_block_rules(md: MarkdownIt) -> None:
    """Put our rules in the place of CommonMark's."""
    rules = md.block.ruler
    rules.before("table", "columns", _item_column)
    terminates: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    begins_item: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote"]}
    rules.at("fence", _fence, terminates)
    rules.after("fence", "formula", _formula, terminates)
    rules.at("blockquote", partial(_unless_too_deep, rules_block.blockquote), terminates)
    rules.at("list", partial(_unless_too_deep, rules_block.list_block), begins_item)
    rules.at("table", _table, {"alt": ["paragraph", "reference"]})
    rules.at("lheading", _lheading)
    rules.at("reference", _definition)


def split_row(line: str, count: int) -> list[str]:
    """The cells of a table's row, in `count` columns; a bar in code or in a formula is text.

    Where there are more cells than columns, the last has the rest of the line with its bars.
    """
    cells = _split(line, formulas=False)
    if len(cells) > count:
        whole = _split(line, formulas=True)
        cells = whole if len(whole) >= count else cells
        while len(cells) > count and not cells[-1].strip():
            cells.pop()
        cells[count - 1 :] = ["|".join(cells[count - 1 :])]
    return [cell.strip() for cell in cells] + [""] * (count - len(cells))


def _split(line: str, *, formulas: bool) -> list[str]:
    cells, place = [""], 0
    while match := _CELL_PART.match(line, place):
        part, end = match.group(), match.end()
        if part == "|":
            cells.append("")
        elif match.group(1):
            close = re.compile(rf"(?<!`){part}(?!`)").search(line, end)
            end = close.end() if close else end
            cells[-1] += line[place:end].replace("\\|", "|")
        elif formulas and (formula := FORMULA.match(line, place)):
            end = formula.end()
            cells[-1] += formula.group()
        else:
            cells[-1] += "|" if part == "\\|" else part
        place = end
    first = len(cells) > 1 and not cells[0].strip()
    last = len(cells) > 1 + first and not cells[-1].strip()
    return cells[first : len(cells) - last]


def _line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]]


def _item_column(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Match nothing, but note where the content of a list item starts."""
    if state.tokens and state.tokens[-1].type == "list_item_open":
        state.tokens[-1].meta["column"] = state.blkIndent
    return False


def _fence(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    column = state.sCount[start]
    matches = rules_block.fence(state, start, end, silent)
    if matches and not silent:
        state.tokens[-1].meta["column"] = column
    return matches


def _unless_too_deep(
    rule: RuleFuncBlockType, state: StateBlock, start: int, end: int, silent: bool
) -> bool:
    return state.level < MAX_NESTING and rule(state, start, end, silent)


def _formula(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Lines of a formula, up to the one that has its end or a blank one."""
    first = _line(state, start)
    match = _FORMULA_START.match(first)
    if match is None or state.is_code_block(start):
        return False
    name = match.group(1)
    closing = f"\\end{{{name}}}" if name else {"$$": "$$", "\\[": "\\]"}[match.group()]
    if closing in first[match.end() :]:
        return False  # a span, in a paragraph
    if silent:
        return True
    number = start + 1
    while number < end and not state.isEmpty(number) and state.sCount[number] >= state.blkIndent:
        number += 1
        if closing in _line(state, number - 1):
            break
    token = state.push("formula", "", 0)
    token.content = state.getLines(start, number, state.blkIndent, False).rstrip()
    token.map = [start, number]
    state.line = number
    return True


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    head = _line(state, start).strip()
    if (
        start + 2 > end
        or "|" not in head
        or len(head) > LONG
        or head.startswith(PLACEHOLDER)
        or any(state.sCount[line] < state.blkIndent for line in (start, start + 1))
        or any(state.is_code_block(line) for line in (start, start + 1))
    ):
        return False
    rule = _line(state, start + 1).strip()
    sides = [part.strip() for part in rule.strip("|").split("|")]
    titles = split_row(head, len(sides))
    fits = len(sides) in (len(_split(head, formulas=True)), len(_split(head, formulas=False)))
    if not fits or len(rule) < 2 or not _TABLE_RULE.fullmatch(rule):
        return False
    if silent:
        return True
    table = state.push("table_open", "table", 1)
    table.meta["sides"] = [_side(part) for part in sides]
    _push_row(state, start, titles)
    state.line = start + 2
    while state.line < end and _is_row(state, state.line, end):
        _push_row(state, state.line, split_row(_line(state, state.line).strip(), len(sides)))
        state.line += 1
    table.map = [start, state.line]
    state.push("table_close", "table", -1)
    return True


def _is_row(state: StateBlock, line: int, end: int) -> bool:
    """A line without a bar is no row: models go on with text there."""
    if state.sCount[line] < state.blkIndent or state.is_code_block(line):
        return False
    text = _line(state, line)
    if "|" not in text[:LONG]:
        return False
    before, state.parentType = state.parentType, "table"
    others = state.md.block.ruler.getRules("blockquote")
    ended = any(rule(state, line, end, True) for rule in others)
    state.parentType = before
    return not ended


def _push_row(state: StateBlock, line: int, cells: list[str]) -> None:
    state.push("row_open", "tr", 1).map = [line, line + 1]
    for cell in cells:
        state.push("cell", "", 0).content = cell
    state.push("row_close", "tr", -1)


def _side(rule: str) -> str:
    """To which side the column leans under a rule like `:-:`."""
    if rule.endswith(":"):
        return "center" if rule.startswith(":") else "right"
    return "left"


def _definition(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A link definition; the links behind it know it. `[^1]: text` is a footnote."""
    references = state.env["references"] = {}
    if _line(state, start).startswith("[^") or not rules_block.reference(state, start, end, silent):
        return False
    if not silent:
        token = state.push("definition", "", 0)
        token.content = state.getLines(start, state.line, state.blkIndent, False).strip()
        token.map = [start, state.line]
        token.meta["references"] = references
    return True


def _lheading(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    count, parent = len(state.tokens), state.parentType
    line = state.line
    matches = rules_block.lheading(state, start, end, silent)
    state.parentType = parent  # the rule leaves its own behind when it finds nothing
    if matches:
        content = state.tokens[-2].content
        matches = len(content) <= LONG and not content.startswith(PLACEHOLDER)
        if not matches:
            del state.tokens[count:]
            state.line = line
    return matches
