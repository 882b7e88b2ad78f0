"""The witness notices what it swears to, and takes the blame for its own sleep alone."""

from __future__ import annotations

from typing import cast

import pytest

from tests.end_to_end.client import Client, Seat
from tests.end_to_end.witness import Witness

PERIOD_S = 0.05


class Joined:
    """What a witness asks of a client that has just joined."""

    tick = 0


async def a_witness(ticks: list[int], read_s: list[float]) -> Witness:
    seat = Seat(b"", "room", 1, 1, 20)
    witness = Witness(cast("Client", Joined()), seat)
    witness.ticks, witness._read_s = ticks, read_s
    return witness


STEADY = [PERIOD_S * n for n in range(30)]


@pytest.mark.parametrize(
    ("ticks", "read_s", "missed"),
    [
        (list(range(30)), STEADY, []),
        ([*range(20), *range(21, 31)], STEADY, [(19, 21)]),
        ([*range(20), *range(19, 29)], STEADY, [(19, 19)]),
        # Asleep from the fifth frame on: twenty waited in the socket, later ones were skipped.
        ([*range(25), *range(40, 45)], [*STEADY[:5], *[2.0] * 25], []),
        # A tick told twice is nobody's sleep.
        ([*range(25), *range(24, 29)], [*STEADY[:5], *[2.0] * 25], [(24, 24)]),
    ],
)
async def test_what_was_missed(
    ticks: list[int], read_s: list[float], missed: list[tuple[int, int]]
) -> None:
    assert (await a_witness(ticks, read_s)).missed() == missed
