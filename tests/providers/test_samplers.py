from __future__ import annotations

import pytest

from deepreasoning_cli.catalog.models import Samplers
from deepreasoning_cli.providers.api import (
    AcceptedSamplers,
    SamplerRequest,
    accept_samplers,
    limit_temperature,
)

NEITHER: frozenset[str] = frozenset()
TEMPERATURE = frozenset({"temperature"})
TOP_P = frozenset({"top_p"})
BOTH = TEMPERATURE | TOP_P
T_LOST = "--temperature is not sent: m takes only one of the two"
P_LOST = "--top-p is not sent: m takes only one of the two"
T_REFUSED = "--temperature is not sent: m takes no sampling parameters"
P_REFUSED = "--top-p is not sent: m takes no sampling parameters"


@pytest.mark.parametrize(
    ("taken", "typed", "values", "warnings"),
    [
        (Samplers.BOTH, NEITHER, {"temperature": 0.7, "top_p": 0.9}, ()),
        (Samplers.BOTH, BOTH, {"temperature": 0.7, "top_p": 0.9}, ()),
        (Samplers.ONE, NEITHER, {"temperature": 0.7}, ()),
        (Samplers.ONE, TEMPERATURE, {"temperature": 0.7}, ()),
        (Samplers.ONE, TOP_P, {"top_p": 0.9}, ()),
        (Samplers.ONE, BOTH, {"temperature": 0.7}, (P_LOST,)),
        (Samplers.NONE, NEITHER, {}, ()),
        (Samplers.NONE, TOP_P, {}, (P_REFUSED,)),
        (Samplers.NONE, BOTH, {}, (T_REFUSED, P_REFUSED)),
        (Samplers.IGNORED, NEITHER, {}, ()),
        (Samplers.IGNORED, TEMPERATURE, {}, (T_REFUSED,)),
    ],
)
def test_a_model_is_sent_what_it_takes_and_only_typed_losses_are_told(
    taken: Samplers, typed: frozenset[str], values: dict[str, float], warnings: tuple[str, ...]
) -> None:
    assert accept_samplers(SamplerRequest(0.7, 0.9, typed), taken, "m") == AcceptedSamplers(
        values, warnings
    )


@pytest.mark.parametrize("values", [{}, {"top_p": 0.9}, {"temperature": 1.0}])
def test_what_claude_can_take_is_left_alone(values: dict[str, float]) -> None:
    given = AcceptedSamplers(values, ("w",))
    assert limit_temperature(given, "m", BOTH) is given


@pytest.mark.parametrize(
    ("typed", "told"),
    [(TEMPERATURE, ("m is sent temperature 1.0, its highest, not 1.5",)), (TOP_P, ())],
)
def test_a_temperature_above_claudes_highest_is_lowered(
    typed: frozenset[str], told: tuple[str, ...]
) -> None:
    hot = AcceptedSamplers({"temperature": 1.5, "top_p": 0.9}, ("w",))
    lowered = {"temperature": 1.0, "top_p": 0.9}
    assert limit_temperature(hot, "m", typed) == AcceptedSamplers(lowered, ("w", *told))
