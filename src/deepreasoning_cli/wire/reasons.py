"""Why a reply ended, in the words of each format."""

from __future__ import annotations

from typing import Final

from deepreasoning_cli.events import CUT, DECLINED

FINISH_REASONS: Final = frozenset(
    {"stop", "length", "tool_calls", "content_filter", "function_call"}
)
STOP_REASONS: Final = frozenset(
    {
        "end_turn",
        "stop_sequence",
        "max_tokens",
        "model_context_window_exceeded",
        "refusal",
        "tool_use",
        "pause_turn",
    }
)


def to_finish_reason(reason: str | None) -> str:
    """The `finish_reason` for a stop reason of any vendor's."""
    return _translate(reason, FINISH_REASONS, ("stop", "length", "content_filter"))


def to_stop_reason(reason: str | None) -> str:
    """The `stop_reason` for a stop reason of any vendor's."""
    return _translate(reason, STOP_REASONS, ("end_turn", "max_tokens", "refusal"))


def to_incomplete_reason(reason: str | None) -> str:
    """What `incomplete_details` says, or `completed` where there are none."""
    return _translate(reason, frozenset(), ("completed", "max_output_tokens", "content_filter"))


def _translate(reason: str | None, own: frozenset[str], words: tuple[str, str, str]) -> str:
    """A format's own word stays; another's becomes the one for done, cut or declined."""
    done, cut, declined = words
    if reason in own:
        return str(reason)
    if reason in CUT:
        return cut
    return declined if reason in DECLINED else done
