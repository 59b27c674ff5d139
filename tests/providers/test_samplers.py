from __future__ import annotations

import pytest

from deepreasoning_cli.catalog.models import Samplers
from deepreasoning_cli.providers.api import (
    AcceptedSamplers,
    IgnoredSamplers,
    SamplerRequest,
    accept_samplers,
    limit_temperature,
    sampler_warnings,
)

NEITHER: frozenset[str] = frozenset()
TEMPERATURE = frozenset({"temperature"})
TOP_P = frozenset({"top_p"})
BOTH = TEMPERATURE | TOP_P
P_LOST = IgnoredSamplers(("--top-p",), "m", takes_one=True)
T_REFUSED = IgnoredSamplers(("--temperature",), "m")
P_REFUSED = IgnoredSamplers(("--top-p",), "m")
BOTH_REFUSED = IgnoredSamplers(("--temperature", "--top-p"), "m")


@pytest.mark.parametrize(
    ("taken", "typed", "values", "ignored"),
    [
        (Samplers.BOTH, NEITHER, {"temperature": 0.7, "top_p": 0.9}, ()),
        (Samplers.BOTH, BOTH, {"temperature": 0.7, "top_p": 0.9}, ()),
        (Samplers.ONE, NEITHER, {"temperature": 0.7}, ()),
        (Samplers.ONE, TEMPERATURE, {"temperature": 0.7}, ()),
        (Samplers.ONE, TOP_P, {"top_p": 0.9}, ()),
        (Samplers.ONE, BOTH, {"temperature": 0.7}, (P_LOST,)),
        (Samplers.NONE, NEITHER, {}, ()),
        (Samplers.NONE, TOP_P, {}, (P_REFUSED,)),
        (Samplers.NONE, BOTH, {}, (BOTH_REFUSED,)),
        (Samplers.IGNORED, NEITHER, {}, ()),
        (Samplers.IGNORED, TEMPERATURE, {}, (T_REFUSED,)),
    ],
)
def test_a_model_is_sent_what_it_takes_and_only_typed_losses_are_noted(
    taken: Samplers,
    typed: frozenset[str],
    values: dict[str, float],
    ignored: tuple[IgnoredSamplers, ...],
) -> None:
    assert accept_samplers(SamplerRequest(0.7, 0.9, typed), taken, "m") == AcceptedSamplers(
        values, ignored
    )


K_LOST = IgnoredSamplers(("--top-k",), "m", takes_one=True)


@pytest.mark.parametrize(
    ("taken", "typed", "values", "ignored"),
    [
        (Samplers.BOTH, NEITHER, {"temperature": 0.7, "top_p": 0.9, "top_k": 5}, ()),
        (Samplers.ONE, NEITHER, {"top_k": 5}, ()),
        (Samplers.ONE, TEMPERATURE, {"temperature": 0.7}, (K_LOST,)),
        (Samplers.NONE, NEITHER, {}, (IgnoredSamplers(("--top-k",), "m"),)),
    ],
)
def test_top_k_of_a_client_is_a_sampler_like_the_others(
    taken: Samplers,
    typed: frozenset[str],
    values: dict[str, float],
    ignored: tuple[IgnoredSamplers, ...],
) -> None:
    wanted = SamplerRequest(0.7, 0.9, typed)
    assert wanted.for_answer(None) == wanted
    assert accept_samplers(wanted.for_answer(5), taken, "m") == AcceptedSamplers(values, ignored)


@pytest.mark.parametrize(
    ("ignored", "told"),
    [
        ([], []),
        ([T_REFUSED], ["--temperature has no effect on m"]),
        ([BOTH_REFUSED] * 2, ["--temperature and --top-p have no effect on m"]),
        (
            [BOTH_REFUSED, BOTH_REFUSED._replace(model="n")],
            ["--temperature and --top-p have no effect: neither m nor n takes them"],
        ),
        (
            [T_REFUSED, P_LOST],
            [
                "--temperature has no effect on m",
                "--top-p has no effect on m, which takes only one of the two",
            ],
        ),
    ],
)
def test_what_has_no_effect_is_told_once(ignored: list[IgnoredSamplers], told: list[str]) -> None:
    assert list(sampler_warnings(ignored)) == told


@pytest.mark.parametrize("values", [{}, {"top_p": 0.9}, {"temperature": 1.0}])
def test_what_claude_can_take_is_left_alone(values: dict[str, float]) -> None:
    given = AcceptedSamplers(values, (T_REFUSED,))
    assert limit_temperature(given, "m", BOTH) is given


@pytest.mark.parametrize(
    ("typed", "told"),
    [(TEMPERATURE, ("m takes at most temperature 1.0; 1.5 was lowered",)), (TOP_P, ())],
)
def test_a_temperature_above_claudes_highest_is_lowered(
    typed: frozenset[str], told: tuple[str, ...]
) -> None:
    hot = AcceptedSamplers({"temperature": 1.5, "top_p": 0.9}, (P_LOST,))
    lowered = {"temperature": 1.0, "top_p": 0.9}
    assert limit_temperature(hot, "m", typed) == AcceptedSamplers(lowered, (P_LOST,), told)
