from __future__ import annotations

import pytest

from deepreasoning_cli.errors import IncompleteError
from deepreasoning_cli.pipeline.events import Text
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.sanitize import Sink
from deepreasoning_cli.views.files import CodeBlock, CodeView, code_blocks

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


@pytest.mark.parametrize(
    ("answer", "expected"), [("```\na", "a\n"), ("```\na\n\n\n", "a\n\n\n"), ("```\n```", "")]
)
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
