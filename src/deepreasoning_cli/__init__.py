"""A reasoner writes the chain of thought, Claude writes the answer from it.

`from deepreasoning_cli import ask` is the pipeline for Python programs (docs/python.md). It is
imported when it is first asked for: `--version` imports nothing.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from deepreasoning_cli.library.answer import Answer as Answer
    from deepreasoning_cli.library.answer import ask as ask
    from deepreasoning_cli.library.compare import ModelAnswer as ModelAnswer
    from deepreasoning_cli.library.compare import ModelAnswers as ModelAnswers
    from deepreasoning_cli.library.compare import compare as compare
    from deepreasoning_cli.pipeline import events as events

__version__ = "0.1.0"
PUBLIC = {
    **dict.fromkeys(("Answer", "ask"), "library.answer"),
    **dict.fromkeys(("ModelAnswer", "ModelAnswers", "compare"), "library.compare"),
    "events": "pipeline.events",
}
"""The names that programs use, besides the module `errors`, and where they are."""


def __getattr__(name: str) -> object:
    """A public name: what a module has, or the module of that name."""
    if name not in PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f"{__name__}.{PUBLIC[name]}")
    return getattr(module, name, module)
