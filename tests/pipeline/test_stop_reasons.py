"""Stop reasons of all vendors, in every spelling, mean what the vendors mean by them."""

from __future__ import annotations

import pytest

from deepreasoning_cli.pipeline.stop_reasons import Ending, ending_of

SPELLINGS = {
    Ending.UNSTATED: "null None FINISH_REASON_UNSPECIFIED",
    Ending.WHOLE: "stop end_turn stop_sequence eos eos_token EOS COMPLETE completed STOP endTurn"
    " end-turn FinishReason.STOP FINISH_REASON_STOP end_of_turn finished done normal word",
    Ending.TRUNCATED: "length max_tokens max_output_tokens model_context_window_exceeded MAX_TOKENS"
    " maxTokens max-tokens model_length FINISH_REASON_MAX_TOKENS limit max_new_tokens"
    " context_length_exceeded LENGTH token_limit max_length max_tool_calls",
    Ending.REFUSED: "refusal content_filter contentFilter content-filter SAFETY sensitive"
    " RECITATION PROHIBITED_CONTENT BLOCKLIST SPII guardrail_intervened",
    Ending.PAUSED: "tool_calls tool-calls tool_use TOOL_CALL pause_turn function_call"
    " requires_action",
    Ending.BROKEN: "error abort aborted network_error cancelled canceled timeout ERROR ERROR_TOXIC"
    " USER_CANCEL insufficient_system_resource MALFORMED_FUNCTION_CALL malformed_model_output"
    " server_error internal_error repetition overloaded connection_lost interrupted unload",
    Ending.UNKNOWN: "banana OTHER 合格",
}


@pytest.mark.parametrize(
    ("reason", "meaning"),
    [(word, meaning) for meaning, words in SPELLINGS.items() for word in words.split()],
)
def test_a_stop_reason_means_the_same_in_any_spelling(reason: str, meaning: Ending) -> None:
    assert ending_of(reason) is meaning


@pytest.mark.parametrize("reason", [None, ""])
def test_no_reason_is_none(reason: str | None) -> None:
    assert ending_of(reason) is Ending.UNSTATED
