"""The numbers of connections: of two the higher is the newer, in whatever order they are told."""

from __future__ import annotations

import pytest

from server.core.generation import (
    OPENED,
    POLLED,
    PROVEN,
    Issuer,
    generation,
    is_over,
    issued_in,
    may_poll,
)
from shared.limits import INTEGER_MAX, PROVE_S

NOW_MS = 1_700_000_000_000


def test_a_number_tells_when_its_token_was_issued_and_fits_its_field() -> None:
    for stage in (OPENED, PROVEN, POLLED):
        assert issued_in(generation(NOW_MS, stage)) == NOW_MS
        assert generation(NOW_MS, stage) <= INTEGER_MAX
    assert issued_in(0) == 0


def test_of_two_connections_exactly_one_is_over_whatever_is_known_of_them() -> None:
    for mine in (OPENED, PROVEN):
        for theirs in (OPENED, PROVEN, POLLED):
            older, newer = generation(NOW_MS, mine), generation(NOW_MS + 1, theirs)
            assert is_over(older, max(older, newer))
            assert not is_over(newer, max(older, newer))


def test_a_socket_outlives_its_own_proof_and_not_a_poll_with_its_token() -> None:
    socket, polls = generation(NOW_MS, OPENED), generation(NOW_MS, POLLED)
    assert not is_over(socket, generation(NOW_MS, PROVEN))
    assert not is_over(generation(NOW_MS, PROVEN), socket), "the row may be behind"
    assert is_over(socket, polls)
    assert not is_over(polls, polls), "polls are one conversation, wherever they arrive"


@pytest.mark.parametrize(
    ("issued", "stage", "after_s", "may"),
    [
        (NOW_MS, OPENED, 0.0, True),
        (NOW_MS + 5, PROVEN, 0.0, True),
        (NOW_MS - 1, OPENED, 0.1, None),
        (NOW_MS - 1, OPENED, PROVE_S, True),
        (NOW_MS - 1, PROVEN, 0.1, False),
        (NOW_MS - 1, PROVEN, 3600.0, False),
        (NOW_MS - 1, POLLED, 3600.0, False),
    ],
)
def test_which_polls_are_served(issued: int, stage: int, after_s: float, may: bool | None) -> None:
    assert may_poll(issued, generation(NOW_MS, stage), after_s) is may


def test_tokens_are_issued_in_order_whatever_the_clock_says() -> None:
    now_s = [1000.0]
    issuer = Issuer(lambda: now_s[0], lambda: 0.0)
    assert [issuer.draw(), issuer.draw()] == [1_000_000, 1_000_001]
    now_s[0] = 900.0
    assert issuer.draw() == 1_000_002
    now_s[0] = 90_000_000.0
    assert issuer.draw() == 90_000_000_000
    now_s[0] = 1000.0
    assert issuer.draw() == 90_000_000_001, "what was issued meanwhile is not undone"
    ahead = generation(95_000_000_000, POLLED)
    assert issuer.draw(ahead) == 95_000_000_001, "another process's clock may be ahead"


@pytest.mark.parametrize("stepped_s", [0.0, -600.0, 90_000.0])
def test_a_poll_waits_no_longer_for_a_newer_connection_whatever_the_wall_clock_does(
    stepped_s: float,
) -> None:
    now_s, wall_s = [50.0], [10_000.0]
    issuer = Issuer(lambda: wall_s[0], lambda: now_s[0])
    newest = generation(issuer.draw(), OPENED)
    wall_s[0] += stepped_s
    waits: list[bool | None] = []
    for _ in range(5):
        waits.append(may_poll(NOW_MS, newest + 4 * NOW_MS, issuer.since(newest)))
        now_s[0] += PROVE_S / 2
        wall_s[0] += PROVE_S / 2
    assert waits == ([True] * 5 if stepped_s > 0 else [None, None, True, True, True])
