"""Rooms that ended leave nothing: their matches go as they end, without the collector's help.

The collector is told to look rarely, as its looks hold up ticks; what waited for it would be kept
for as long.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

import pytest

from holdfast import Inputs, Match
from server.edge.follower import RoomFollower as EdgeFollower
from server.host.follower import RoomFollower
from server.host.owner import RoomOwner
from server.host.room_handle import RoomHandle
from tests.server.core.yard import Push, Yard
from tests.server.edge.desk import Caller, Desk
from tests.simulation.loop import virtually

ROOMS = 8
KEPT = (Match, RoomHandle, RoomOwner, RoomFollower, EdgeFollower)


class Brief(Yard):
    """A yard whose rooms end soon after their players left."""

    grace_s = 0.1
    room_empty_s = 0.2


class Ending(Brief):
    """One whose match is finished a second after it began, and closes its room."""

    finished_s = 0.2

    def step(self, match: Match, inputs: Inputs[Push]) -> None:
        super().step(match, inputs)
        if match.tick == 20:
            match.finish({})


class Failing(Brief):
    """One that raises from its second second on."""

    def step(self, match: Match, inputs: Inputs[Push]) -> None:
        super().step(match, inputs)
        if match.tick > 30:
            raise ValueError("it went wrong")


@contextmanager
def uncollected() -> Generator[None, None, None]:
    """Time in which only what nobody refers to any more goes."""
    # Pytest keeps what is logged, with the frames of what was raised.
    logging.disable()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        logging.disable(logging.NOTSET)


def kept() -> dict[str, int]:
    """How many objects of rooms there are."""
    every = gc.get_objects()
    return {
        f"{kind.__module__}.{kind.__name__}": sum(type(one) is kind for one in every)
        for kind in KEPT
    }


async def leave(desk: Desk, caller: Caller) -> None:
    caller.session.leave()
    caller._flush()


async def hang_up(desk: Desk, caller: Caller) -> None:
    caller.hang_up()


async def stay(desk: Desk, caller: Caller) -> None:
    await desk.seconds(0.1)


@pytest.mark.parametrize(
    ("game", "end"),
    [(Brief(), leave), (Brief(), hang_up), (Ending(), stay), (Failing(), stay)],
    ids=["left", "lost", "finished", "failed"],
)
def test_a_room_that_ended_leaves_nothing_to_the_collector(
    game: Brief, end: Callable[[Desk, Caller], Awaitable[None]]
) -> None:
    async def scenario() -> None:
        desk = await Desk(game).start()
        name = type(game).__name__.lower()
        with uncollected():
            before = kept()
            for number in range(ROOMS):
                caller = await desk.call(f"P{number}", name, private=True)
                await end(desk, caller)
                del caller
            await desk.seconds(30)
            assert desk.rig.host.rooms() == []
            assert kept() == before
        await desk.stop()

    virtually(scenario())


def test_a_room_that_was_followed_leaves_nothing_at_either_process() -> None:
    async def scenario() -> None:
        one = await Desk(Brief()).start()
        two = await Desk(Brief(), seed=2, beside=one).start()
        with uncollected():
            before = kept()
            for number in range(ROOMS):
                first = await one.call(f"P{number}", "brief", private=True)
                assert first.session.welcome is not None
                second = await two.call(f"Q{number}", "brief", room=first.session.welcome.room)
                await one.seconds(1)
                first.hang_up()
                second.hang_up()
                del first, second
            await one.seconds(60)
            assert one.rig.host.rooms() == two.rig.host.rooms() == []
            assert kept() == before
        await two.stop()
        await one.stop()

    virtually(scenario())


def test_what_refers_to_itself_stays_until_it_is_collected() -> None:
    """The control: the count sees what only a collector would find."""
    with uncollected():
        before = kept()
        match = Match(Brief(), Brief.options(), 1)
        match.options = [match]
        del match
        assert kept() != before
    gc.collect()
    assert kept() == before
