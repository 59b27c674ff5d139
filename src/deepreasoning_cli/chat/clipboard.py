"""Text to the clipboard, through the platform's own tool."""

from __future__ import annotations

from deepreasoning_cli.errors import WriteError

TOOLS = "on Linux install wl-clipboard, xclip or xsel; over SSH use /export FILE"


def copy(text: str) -> None:
    """Put `text` on the clipboard. Raises WriteError where there is none."""
    import pyperclip

    try:
        pyperclip.copy(text)
    except (pyperclip.PyperclipException, OSError) as exc:
        raise WriteError("there is no clipboard here", kind="no_clipboard", hint=TOOLS) from exc
