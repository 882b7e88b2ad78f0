"""A follower is patient for a few ticks, and longer with owners that get nowhere."""

from __future__ import annotations

from random import Random

import pytest

from server.host.failure_detector import (
    AGAIN_TICKS,
    IDLE_DOUBLINGS_MAX,
    SILENCE_JITTER_S,
    SILENCE_LEAST_S,
    SILENCE_TICKS,
    FailureDetector,
)


@pytest.mark.parametrize("rate", [5, 20, 60, 128])
def test_an_owner_may_be_silent_for_three_ticks_and_never_for_less_than_is_safe(rate: int) -> None:
    least_s = max(SILENCE_TICKS / rate, SILENCE_LEAST_S)
    patience = [FailureDetector(rate, Random(seed), 100.0).left_s(100.0) for seed in range(50)]
    assert all(least_s <= one <= least_s + SILENCE_JITTER_S for one in patience)
    assert len(set(patience)) == 50, "followers do not all ask at once"


def test_time_since_the_last_news_is_what_counts() -> None:
    silence = FailureDetector(20, Random(1), 100.0)
    whole_s = silence.left_s(100.0)
    assert silence.left_s(100.1) == pytest.approx(whole_s - 0.1)
    assert silence.left_s(101.0) < 0
    silence.heard_s = 101.0
    assert silence.left_s(101.0) == pytest.approx(whole_s)


def test_after_an_answer_that_the_owner_lives_a_little_more_is_waited() -> None:
    silence = FailureDetector(20, Random(1), 100.0)
    silence.asked(105.0)
    assert silence.left_s(105.0) == pytest.approx(AGAIN_TICKS / 20)
    assert silence.left_s(105.0 + AGAIN_TICKS / 20) == pytest.approx(0)


def test_owners_that_commit_nothing_double_the_patience_up_to_a_bound() -> None:
    silence = FailureDetector(20, Random(1), 0.0)

    def patience_s(barren: int) -> float:
        silence.be_patient(barren)
        return silence.left_s(0.0)

    # The first owner after another may need a moment; only the second in vain is a bad sign.
    for barren, times in enumerate([1, 1, 2, 4, 8, 16, 16, 16]):
        assert 0 <= patience_s(barren) - times * SILENCE_LEAST_S <= SILENCE_JITTER_S
    assert 2**IDLE_DOUBLINGS_MAX == 16
    assert patience_s(0) < 2 * SILENCE_LEAST_S, "one that gets somewhere is forgiven"
