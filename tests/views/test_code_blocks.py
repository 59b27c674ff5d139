from __future__ import annotations

import pytest

from deepreasoning_cli.cli.ask import AskCommand
from deepreasoning_cli.errors import IncompleteError
from deepreasoning_cli.pipeline.events import Text
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.sanitize import Sink
from deepreasoning_cli.views.code_blocks import (
    CodeBlock,
    CodeView,
    canonical_language,
    code_blocks,
    fence_language,
)

ANSWER = """\
Take this:

```Python title="a.py"
print("one")
```

1. or that:

   ~~~sh
   echo two
   ~~~

> ```
> three
> ```

and `not this`, but

    four

```python
print("five")
```
"""


def shown(
    answer: str,
    language: str | None = None,
    *,
    every: bool = False,
    failure: BaseException | None = None,
    sink: Sink = Sink.PIPE,
) -> str:
    out: list[str] = []
    record = TurnRecord()
    view = CodeView(record, out.append, sink, language, every=every)
    for event in (Text(answer),):
        record.apply(event)
        view(event)
    view.close(failure)
    return "".join(out)


def test_every_code_block_is_found_wherever_it_stands() -> None:
    assert code_blocks(ANSWER) == [
        CodeBlock("python", 'print("one")\n'),
        CodeBlock("sh", "echo two\n"),
        CodeBlock("", "three\n"),
        CodeBlock("", "four\n"),
        CodeBlock("python", 'print("five")\n'),
    ]


@pytest.mark.parametrize(
    ("language", "every", "expected"),
    [
        (None, False, 'print("five")\n'),
        ("sh", False, "echo two\n"),
        ("PYTHON", True, 'print("one")\n\nprint("five")\n'),
        (None, True, 'print("one")\n\necho two\n\nthree\n\nfour\n\nprint("five")\n'),
    ],
)
def test_the_last_block_or_all_of_them_in_a_language(
    language: str | None, every: bool, expected: str
) -> None:
    assert shown(ANSWER, language, every=every) == expected


@pytest.mark.parametrize(("answer", "expected"), [("```\na", "a\n"), ("```\na\n\n\n", "a\n\n\n")])
def test_a_fence_that_was_never_closed_ends_with_the_answer(answer: str, expected: str) -> None:
    assert shown(answer) == expected


@pytest.mark.parametrize(
    ("language", "message"),
    [(None, "the answer has no code block"), ("rust", "the answer has no rust code block")],
)
def test_an_answer_without_such_a_block_is_incomplete(language: str | None, message: str) -> None:
    with pytest.raises(IncompleteError) as caught:
        shown("no code, ```a``` but a span", language)
    assert (caught.value.kind, caught.value.message) == ("no_code", message)


def test_a_turn_that_failed_gives_no_code() -> None:
    assert shown(ANSWER, failure=IncompleteError("cut")) == ""


@pytest.mark.parametrize(
    ("sink", "expected"), [(Sink.PIPE, "\\x1b[2J\u202e\n"), (Sink.TERMINAL, "␛[2J⟨U+202E⟩\n")]
)
def test_code_is_made_harmless_for_its_sink(sink: Sink, expected: str) -> None:
    assert shown("```\n\x1b[2J\u202e\n```", sink=sink) == expected


README = "# Tool\n\n```bash\npip install tool\n```\n\n## Use\n\nRun it.\n"
BARE = "# Tool\n\nInstall:\n```\npip install tool\n```\n\n## Use\n\n~~~\n```\n~~~\nRun it.\n"


@pytest.mark.parametrize("language", [None, "markdown", "md"])
@pytest.mark.parametrize("text", [README, BARE])
@pytest.mark.parametrize("fence", ["```", "````", "~~~"])
@pytest.mark.parametrize("info", ["markdown", "md", "Markdown title=README.md"])
@pytest.mark.parametrize("around", [("", ""), ("Here:\n\n", "\nEnjoy.\n")])
def test_a_whole_markdown_block_is_one(
    language: str | None, text: str, fence: str, info: str, around: tuple[str, str]
) -> None:
    before, after = around
    answer = f"{before}{fence}{info}\n{text}{fence}\n{after}"
    if fence == "~~~" and text is BARE:
        answer = answer.replace("~~~\n```\n~~~\n", "")
        text = text.replace("~~~\n```\n~~~\n", "")
    assert shown(answer, language) == text


def test_code_inside_a_markdown_block_is_found_by_its_language() -> None:
    assert shown(f"```markdown\n{README}```\n", "sh") == "pip install tool\n"


@pytest.mark.parametrize(
    ("info", "language"),
    [
        ("python", "python"),
        ("Py", "py"),
        ("{.python .numberLines}", "python"),
        ("{python}", "python"),
        ("python{1,3}", "python"),
        ("python:src/a.py", "python"),
        ('python title="x"', "python"),
        ("src/a.py", "py"),
        ("a.rs", "rs"),
        ("language-js", "js"),
        ("c++", "c++"),
        ("title=x", ""),
        ("", ""),
    ],
)
def test_a_fence_names_its_language_in_many_ways(info: str, language: str) -> None:
    assert fence_language(info) == language


@pytest.mark.parametrize(
    "names",
    [
        ("py", "python", "python3", "Python", "pycon"),
        ("sh", "bash", "shell", "console", "zsh", "shell-session"),
        ("js", "javascript", "node", "mjs"),
        ("ts", "typescript"),
        ("yml", "yaml"),
        ("rs", "rust"),
        ("c++", "cpp"),
        ("md", "markdown"),
    ],
)
def test_all_names_of_a_language_are_one(names: tuple[str, ...]) -> None:
    assert len({canonical_language(name) for name in names}) == 1
    for name in names:
        assert shown(f"```{names[-1]}\nx\n```\n```unknown\ny\n```", name) == "x\n"


@pytest.mark.parametrize("answer", ["```\n```", "```python\n\n```", "", "no code"])
def test_nothing_is_never_a_success(answer: str) -> None:
    with pytest.raises(IncompleteError) as caught:
        shown(answer)
    assert (caught.value.exit_code, caught.value.kind) == (6, "no_code")


@pytest.mark.parametrize(
    ("words", "rewritten"),
    [
        (["-x", "python", "sort it"], ["-x", "--extract-language=python", "sort it"]),
        (["-x", "bash", "list", "files"], ["-x", "--extract-language=bash", "list", "files"]),
        (["--extract", "go", "sort a list"], ["--extract", "--extract-language=go", "sort a list"]),
        (["-x", "make", "me", "tea"], ["-x", "make", "me", "tea"]),
        (["-x", "sort it"], ["-x", "sort it"]),
        (["-x=rust", "python"], ["-x", "--extract-language=rust", "python"]),
        (["python", "-x", "--", "python"], ["python", "-x", "--", "python"]),
    ],
)
def test_a_language_behind_the_flag_is_the_language(words: list[str], rewritten: list[str]) -> None:
    assert AskCommand("ask").rewrite(words) == rewritten
