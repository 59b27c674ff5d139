"""`python -m deepreasoning_cli`, and what `deepreasoning` and `dr` start."""

import sys

ENOUGH_FOR_IMPORTS = 100_000
"""New objects after which garbage is looked for: more than a start makes, which all stay."""


ASKING = ("ask", "chat", "compare")
OUT_OF_MEMORY = b"error: out of memory\nhint: close programs, or raise the limit: `ulimit -v`\n"


ANOTHER_WAY = {
    *("--backend", "--config", "--dry-run", "--help", "-h", "--reasoning-from", "--replay"),
}
"""Options of a call that may ask another host than the last one, or none."""


def asks_as_before(words: list[str]) -> bool:
    """Whether a command line plainly asks the host that the last one asked; a quick look at it."""
    first = next((word for word in words if not word.startswith("-")), "")
    names = {word.partition("=")[0] for word in words}
    is_question = first in ASKING or " " in first  # no command's name has a space
    return is_question and not names & ANOTHER_WAY


def main() -> None:
    """Run the command line and end the process; `--version` alone is answered at once."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from deepreasoning_cli import __version__

        try:
            print(f"deepreasoning {__version__}", flush=True)  # noqa: T201 (nothing is imported)
        except OSError:  # the app says it again, and what went wrong
            pass
        else:
            return
    import gc
    import os

    from deepreasoning_cli.lazy import (
        DEFERRED,
        LEFT_OUT,
        deferred_imports,
        without_imports,
        without_plugins,
    )

    gc.set_threshold(ENOUGH_FOR_IMPORTS)
    code, last_origin = 1, None
    with deferred_imports(*DEFERRED), without_imports(*LEFT_OUT), without_plugins():
        try:
            if asks_as_before(sys.argv[1:]):
                from deepreasoning_cli.connect import connect_to_last

                last_origin = connect_to_last(remembers="--no-save" not in sys.argv)
            from deepreasoning_cli.cli.app import app

            app(obj=last_origin)
        except SystemExit as ending:
            code = ending.code if isinstance(ending.code, int) else 1
        except MemoryError:  # not even the app could be imported, or say it
            os.write(2, OUT_OF_MEMORY)
            code = 3
        finally:
            # Taking the interpreter down costs 30 to 45 ms; all that is open has been closed.
            for stream, lost in ((sys.stdout, 7), (sys.stderr, 0)):  # errors reach nobody: no fault
                try:
                    if stream is not None:
                        stream.flush()
                except OSError:
                    code = code or lost
            os._exit(code)


if __name__ == "__main__":
    main()
