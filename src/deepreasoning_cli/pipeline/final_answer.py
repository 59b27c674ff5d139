"""What an answer says in the end: the text and the number that are compared with the right one,
or with those of other answers.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal, DecimalException, localcontext
from typing import Final

LONGEST: Final = 100_000  # characters from the end; what is before them is not the final answer
LARGEST_EXPONENT: Final = 400  # of powers that are worked out
AROUND: Final = " \t*_`$\"'“”‘’«».!:"  # signs around an answer that say nothing

_AMOUNT: Final = re.compile(r"(?:(?<![\w)\]])[-−])?\d[\d,]*(?:\.\d+)?")
_WORDS: Final = re.compile(rf"{_AMOUNT.pattern}|\w+")

_LABEL: Final = re.compile(r"(?i)\banswer\b[*_\s]*(?:\bis\b|[:=])[*_:\s]*")
_IN_BRACKETS: Final = re.compile(r"\([^()\n]*\)")
_SUPERSCRIPTS: Final = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")

_LATEX: Final = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\{,\}", ","),
        (r"(?<=\d)\\[,;:! ](?=\d{3})", ","),
        (r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", r" \1/\2 "),
        (r"\\(?:text|mathrm|mathbf|operatorname)\s*\{([^{}]*)\}", r" \1 "),
        (r"\\(?:times|cdot)(?![a-zA-Z])", "×"),
        (r"\\([$%#&])", r"\1"),
        (r"[−﹣－]", "-"),
        (r"(?<![\w)\]])[–](?=\d)", "-"),
    )
)
_TEN: Final = re.compile(r"\s*[x×*·]\s*10(?:\^\{?([-+]?\d{1,4})\}?|([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]{1,4}))")
_POWER: Final = re.compile(r"(?<![\w.,])(\d{1,9})(?:\^\{?([-+]?\d{1,4})\}?|([⁻⁰¹²³⁴-⁹]{1,4}))")
_EXPONENT: Final = re.compile(r"\^\{?[-+]?\w+\}?")
_NUMBER: Final = re.compile(
    r"""(?<![A-Za-z_\d])
    (?P<sign>(?<![\w)\]])[-+])?
    [$€£¥]?
    (?P<sign_behind>-(?=[\d.]))?
    (?:
        (?P<whole>\d+)[ ]+(?P<above>\d+)/(?P<below>[1-9]\d*)(?![\d/])
      | (?<!/)(?P<numerator>\d+)[ ]?/[ ]?(?P<denominator>[1-9]\d*)(?![\d/])
      | (?P<comma>[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?)(?![\d])
      | (?P<dot>[1-9]\d{0,2}(?:\.\d{3}){2,}(?:,\d+)?|[1-9]\d{0,2}(?:\.\d{3})+,\d+)(?!\d)
      | (?P<grouped>[1-9]\d{0,2}(?:[ \u00a0\u2009\u202f'’_]\d{3})+(?:[.,]\d+)?)(?!\d)
      | (?P<plain>(?:\d+(?:[.,]\d+)?|\.\d+)(?:[eE][-+]?\d{1,4}(?![\w]))?)
    )""",
    re.VERBOSE,
)


def boxed(text: str) -> str | None:
    r"""What is in the last `\boxed{…}`, with the braces in it; None without one."""
    starts = [match.end() for match in re.finditer(r"\\(?:boxed|fbox)\s*\{", text)]
    if not starts:
        return None
    depth = 1
    for place in range(starts[-1], len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if not depth:
            return text[starts[-1] : place]
    return text[starts[-1] :]


def labelled(text: str) -> str | None:
    """What is behind the last `Answer:` or `the answer is`, up to the end of its line."""
    matches = list(_LABEL.finditer(text))
    if not matches:
        return None
    return text[matches[-1].end() :].strip().partition("\n")[0] or None


def last_line(text: str) -> str:
    """The last line that has more than signs in it; empty without one."""
    lines = (line.strip() for line in reversed(text.splitlines()))
    return next((line for line in lines if line.strip(AROUND + "-=")), "")


def final_texts(answer: str) -> list[str]:
    """What can be meant by an answer: in the box, behind the label, the last line, all of it."""
    end = answer[-LONGEST:]
    found = [boxed(end), labelled(end), last_line(end), answer]
    return [text for text in found if text is not None]


def normalise(text: str) -> str:
    """A text as it is compared: one case, single blanks, no emphasis, quotes or stop around it."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(AROUND)


def folded(line: str) -> str:
    """A line as it is compared with another: its words and numbers, in one case, and no signs but
    those of numbers.
    """
    words = _WORDS.findall(line.casefold())
    return " ".join(word.replace(",", "").replace("−", "-") for word in words)


def last_number(line: str) -> str:
    """The last number as it is written, without commas; empty without one."""
    found = _AMOUNT.findall(line)
    return found[-1].replace(",", "").replace("−", "-") if found else ""


def final_number(answer: str) -> Decimal | None:
    r"""The number that an answer comes to; None where it has none.

    It is the last one in `\boxed{…}`, else the last one behind `Answer:`, what is in brackets left
    out, else the last one. Units and currencies are left aside, a percentage is its number.
    Thousands may be parted by commas, points, blanks or apostrophes; `1,234` is a thousand, `1,23`
    and `0,123` have a decimal comma. Fractions, powers and `1.2 × 10^5` are worked out.
    """
    end = answer[-LONGEST:]
    for part in (boxed(end), labelled(end)):
        if part is None:
            continue
        for text in (_IN_BRACKETS.sub(" ", part), part):
            if found := list(numbers(text)):
                return found[-1]
    found = list(numbers(end))
    return found[-1] if found else None


def numbers(text: str) -> Iterator[Decimal]:
    """The numbers in a text, in their order."""
    for pattern, replacement in _LATEX:
        text = pattern.sub(replacement, text)
    text = _TEN.sub(_as_exponent, text)
    text = _POWER.sub(_worked_out, text)
    text = _EXPONENT.sub("", text)
    for match in _NUMBER.finditer(text):
        value = _value(match)
        yield -value if "-" in (match["sign"], match["sign_behind"]) else value


def _as_exponent(match: re.Match[str]) -> str:
    return f"e{match[1] or match[2].translate(_SUPERSCRIPTS)}"


def _worked_out(match: re.Match[str]) -> str:
    exponent = int((match[2] or match[3]).translate(_SUPERSCRIPTS))
    if abs(exponent) > LARGEST_EXPONENT:
        return match[0]
    try:
        with localcontext(prec=LARGEST_EXPONENT):
            return f"{Decimal(match[1]) ** exponent:f}"
    except DecimalException:
        return match[0]


def _value(match: re.Match[str]) -> Decimal:
    if match["below"]:
        return Decimal(match["whole"]) + Decimal(match["above"]) / Decimal(match["below"])
    if match["denominator"]:
        return Decimal(match["numerator"]) / Decimal(match["denominator"])
    if match["comma"]:
        return Decimal(match["comma"].replace(",", ""))
    if match["dot"]:
        return Decimal(match["dot"].replace(".", "").replace(",", "."))
    written = match["plain"] or re.sub(r"[^\d.,]", "", match["grouped"])
    return Decimal(written.replace(",", "."))
