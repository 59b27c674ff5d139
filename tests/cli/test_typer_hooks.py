"""What the program relies on in Typer beyond its documentation; each failure says what changed."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

import deepreasoning_cli
from deepreasoning_cli.cli import typer_hooks

SOURCE = Path(deepreasoning_cli.__file__).parent
RAISED = {
    "pipe": BrokenPipeError,
    "abort": typer.Abort,
    "disk": OSError,
}


class Size(StrEnum):
    SMALL = "small"


def program(cls: type[TyperGroup] = TyperGroup, command: type[TyperCommand] = TyperCommand) -> Any:
    """A small command line, as the object of the class that Typer makes of it."""
    app = typer.Typer(cls=cls, name="p", add_completion=False, pretty_exceptions_enable=False)

    @app.callback()
    def root() -> None:
        """The program."""

    @app.command(cls=command, epilog="The end.")
    def draw(
        name: str,
        count: Annotated[int, typer.Option("--count", "-c", help="How many.")] = 1,
        size: Annotated[Size, typer.Option(metavar="SIZE")] = Size.SMALL,
        fill: Annotated[bool, typer.Option("--fill/--no-fill")] = False,
        many: Annotated[list[str] | None, typer.Option("--many", hidden=True)] = None,
        out: Annotated[Path | None, typer.Option("--out")] = None,
    ) -> str:
        """Draw it."""
        if name in RAISED:
            raise RAISED[name]
        if name == "interrupt":
            raise KeyboardInterrupt
        if name == "exit":
            raise typer.Exit(9)
        return name * count

    return typer.main.get_command(app)


def run(group: Any, *words: str) -> Any:
    return group.main(list(words), standalone_mode=False)


def test_a_group_without_standalone_mode_returns_what_its_command_returns() -> None:
    changed = "Typer changed what a group's main(standalone_mode=False) returns"
    assert run(program(), "draw", "x", "--count", "2") == "xx", changed
    assert run(program(), "draw", "exit") == 9, f"{changed} for typer.Exit"
    assert run(program(), "draw", "interrupt") == 130, f"{changed} for Ctrl-C"


@pytest.mark.parametrize("name", RAISED)
def test_a_group_without_standalone_mode_lets_exceptions_through(name: str) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 (the type is asserted)
        run(program(), "draw", name)
    assert type(caught.value) is RAISED[name], (
        f"Typer changed what leaves main(standalone_mode=False) for {RAISED[name].__name__}"
    )


@pytest.mark.parametrize("words", [["no"], ["draw"], ["draw", "x", "--no"], ["draw", "x", "-cx"]])
def test_wrong_words_are_an_exception_with_a_message_and_a_context(words: list[str]) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 (the type is asserted)
        run(program(), *words)
    error: Any = caught.value
    assert isinstance(error, TyperException), "Typer changed what it raises for wrong words"
    assert error.format_message(), "Typer changed TyperException.format_message"
    path = getattr(getattr(error, "ctx", None), "command_path", "")
    assert path.endswith(" ".join(words[: words[0] == "draw"])), (
        "Typer changed where a usage error keeps its context, which names the command"
    )


def test_a_group_reads_words_in_make_context_and_runs_commands_in_invoke() -> None:
    called: list[str] = []

    class Group(TyperGroup):
        def make_context(self, *args: Any, **extra: Any) -> Any:
            called.append("make_context")
            return super().make_context(*args, **extra)

        def invoke(self, ctx: Any) -> Any:
            called.append("invoke")
            return super().invoke(ctx)

    run(program(Group), "draw", "x")
    assert called == ["make_context", "invoke"], "Typer changed the steps of TyperGroup.main"


def test_a_command_parses_a_list_of_words_in_parse_args() -> None:
    class Louder(typer_hooks.RewritingCommand):
        def rewrite(self, words: list[str]) -> list[str]:
            return [word.upper() for word in words]

    assert run(program(command=Louder), "draw", "x") == "X", (
        "Typer changed TyperCommand.parse_args, by which `ask` takes --extract=LANG"
    )


def test_only_what_is_given_has_pydantic_build_what_reads_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built: list[Any] = []
    core: Any = typer.core
    build = core.build_runtime_param

    def noted(descriptor: Any) -> Any:
        built.append(descriptor.annotation)
        return build(descriptor)

    monkeypatch.setattr(core, "build_runtime_param", noted)
    group = program(typer_hooks.Boundary)
    group.get_command(None, "draw")
    context = group.commands["draw"].make_context("draw", ["x", "--count", "2"])
    changed = "Typer changed how a parameter's value is read"
    assert (context.params["count"], context.params["many"]) == (2, ()), changed
    assert (context.params["out"], context.params["size"]) == (None, Size.SMALL), changed
    assert [kind for kind in built if kind is not bool] == [int, str, Size], changed


def test_a_group_makes_a_command_only_when_it_is_looked_up() -> None:
    made: list[str] = []

    def register(app: typer.Typer, name: str) -> None:
        made.append(name)
        app.command(name)(lambda: name)

    class Lazy(TyperGroup):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.commands = typer_hooks.LazyCommands(("draw", "paint"), register)

    group = program(Lazy)
    changed = "Typer changed how a group looks up its commands"
    assert (run(group, "paint"), run(group, "paint"), made) == ("paint", "paint", ["paint"]), (
        changed
    )
    with pytest.raises(TyperException, match="Did you mean 'draw'"):
        run(group, "drew")
    assert made == ["paint"], changed
    assert (list(group.list_commands(typer.Context(group))), made) == (
        ["draw", "paint"],
        ["paint", "draw"],
    ), changed


@pytest.mark.parametrize(
    ("method", "names"),
    [
        (TyperGroup.main, ["self", "args"]),
        (TyperGroup.invoke, ["self", "ctx"]),
        (TyperCommand.parse_args, ["self", "ctx", "args"]),
    ],
    ids=lambda value: getattr(value, "__qualname__", None),
)
def test_the_methods_that_are_replaced_take_what_they_took(
    method: Callable[..., Any], names: list[str]
) -> None:
    parameters = list(inspect.signature(method).parameters)
    assert parameters[: len(names)] == names, f"Typer changed the parameters of {method}"


def test_commands_and_parameters_have_the_facts_that_completions_are_made_of() -> None:
    group = program()
    draw = group.commands["draw"]
    context = typer.Context(draw, parent=None, **draw.context_settings)
    name, count, size, fill, many, out, _ = draw.get_params(context)
    facts = {
        "Command.help": (draw.help, "Draw it."),
        "Command.hidden": (draw.hidden, False),
        "param_type_name": ((name.param_type_name, count.param_type_name), ("argument", "option")),
        "opts": (count.opts, ["--count", "-c"]),
        "secondary_opts": (fill.secondary_opts, ["--no-fill"]),
        "help": (count.help, "How many."),
        "metavar": ((size.metavar, count.metavar), ("SIZE", None)),
        "is_flag": ((fill.is_flag, count.is_flag), (True, False)),
        "multiple": ((many.multiple, count.multiple), (True, False)),
        "hidden": ((many.hidden, count.hidden), (True, False)),
        "choices": (
            (size.type_descriptor.is_choice, list(size.type_descriptor.choices)),
            (True, ["small"]),
        ),
        "nargs": ((name.nargs, count.nargs), (1, 1)),
        "required": ((name.required, count.required), (True, False)),
        "default": ((count.default, fill.default, out.default), (1, False, None)),
        "show_default": (count.show_default, True),
        "rich_help_panel": (count.rich_help_panel, None),
        "Command.epilog": (draw.epilog, "The end."),
        "is_path": ((out.type_descriptor.is_path, count.type_descriptor.is_path), (True, False)),
    }
    for fact, (found, expected) in facts.items():
        assert found == expected, f"Typer changed {fact}, of which completions and help are made"


def test_a_page_of_help_is_what_get_help_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    changed = "Typer changed how --help and Context.get_help get a page"
    group = program(typer_hooks.Boundary)
    draw = group.get_command(None, "draw")
    context = typer.Context(draw, info_name="draw", parent=typer.Context(group, info_name="p"))
    assert "│ -c, --count COUNT" in context.get_help(), changed
    assert context.get_help().endswith(" The end."), changed


def test_no_other_module_imports_from_inside_typer() -> None:
    inside = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom | ast.Import)
        for name in [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
        if name.startswith("typer.") or name.partition(".")[0] == "click"
    }
    assert inside == {"cli/typer_hooks.py"}
