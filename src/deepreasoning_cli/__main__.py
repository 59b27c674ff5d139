"""`python -m deepreasoning_cli`, and what `deepreasoning` and `dr` start."""

import sys


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
    import os

    from deepreasoning_cli.cli.app import app
    from deepreasoning_cli.lazy import DEFERRED, deferred_imports

    code = 1
    try:
        with deferred_imports(*DEFERRED):
            app()
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 1
    finally:
        # Taking the interpreter down costs 30 to 45 ms; all that is open has been closed.
        for stream, lost in ((sys.stdout, 7), (sys.stderr, 0)):  # errors reach nobody: no failure
            try:
                if stream is not None:
                    stream.flush()
            except OSError:
                code = code or lost
        os._exit(code)


if __name__ == "__main__":
    main()
