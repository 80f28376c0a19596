"""The simulation of hardware says what it should where that is known."""

import random

import pytest

from bench import hardware
from bench.hardware import MINUTE, RATED_KW, charger, off_kwh, share_off


@pytest.mark.parametrize(
    "spoilt",
    [
        hardware.as_it_is,
        hardware.in_whole_kwh,
        hardware.cached_for_15_minutes,
        hardware.exchanged_and_announced,
        hardware.gaps_of_6_hours,
        hardware.rolls_over,
        hardware.session_counter,
    ],
)
@pytest.mark.parametrize("rated_kw", [RATED_KW, None])
def test_what_can_be_known_is_counted_right(spoilt: hardware.Hardware, rated_kw: float | None) -> None:
    assert share_off(spoilt, 15, rated_kw, 5) == share_off(spoilt, 60, rated_kw, 5) == 0


def test_a_coarse_or_cached_register_is_counted_right_at_a_minute() -> None:
    assert share_off(hardware.in_whole_kwh, 1, RATED_KW, 2) == 0
    assert share_off(hardware.cached_for_15_minutes, 1, RATED_KW, 2) == 0


def test_what_nobody_can_know_is_off() -> None:
    # The step in which a meter is exchanged while it charges at 22 kW counts nothing.
    chance = random.Random(1)
    truth = charger(chance)._replace(charges=[(hardware.START, hardware.START + 100 * 60 * MINUTE, 20.0)])
    sent = hardware.exchanged(chance, truth, truth.sample(60 * MINUTE))
    assert off_kwh(sent, truth, RATED_KW) > hardware.MOST_OFF_KWH
