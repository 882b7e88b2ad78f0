"""Quiet sessions share the ticks of their frames, and none of them lacks or waits for a frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise, product
from random import Random
from typing import Any

import pytest

from holdfast import Match
from shared.limits import QUIET_S
from shared.messages import Frame, Role
from tests.server.core.yard import Cave, Yard
from tests.server.edge.desk import Caller, Desk
from tests.simulation.loop import virtually

QUIET_TICKS = int(QUIET_S * Yard.tick_rate)
TICK_S = 1 / Yard.tick_rate
NAMES = ("Ada", "Bob", "Cid")


class Hush(Yard):
    """A yard in which only what is pushed moves."""

    def _spring(self, match: Match, dot: Any, trap: int) -> None:
        pass


class Hole(Cave):
    """A cave as quiet."""

    def _spring(self, match: Match, dot: Any, trap: int) -> None:
        pass


class Seldom(Hush):
    """Sends every third tick only."""

    send_every = 3


async def seated(desk: Desk, game: Yard) -> list[Caller]:
    """Three players and one who watches, all of them live."""
    name = type(game).__name__.lower()
    callers = [await desk.call(one, name) for one in NAMES]
    if not game.hides:
        eve = Caller(desk, "Eve", name, role=Role.SPECTATOR, room=desk.only_room().id)
        eve.connect()
        callers.append(eve)
    await desk.seconds(1)
    return callers


def ticks_of(caller: Caller, after: int, until: int) -> list[int]:
    return [frame.tick for frame in caller.frames if after < frame.tick <= until]


def assert_none_waits(callers: Iterable[Caller], longest: int) -> None:
    """Frames follow each other without a hole, and none later than it may come."""
    for caller in callers:
        assert caller.session.stats.divergence == 0
        for before, frame in pairwise(caller.frames[1:]):
            assert frame.base == before.tick
            assert frame.tick - before.tick <= longest, (before.tick, frame.tick)


@pytest.mark.parametrize("game", [Hush(), Hole()])
def test_sessions_that_became_quiet_at_different_ticks_are_sent_to_together(game: Yard) -> None:
    async def scenario() -> None:
        desk = await Desk(game, digest_ticks=0, quiet_s=QUIET_S).start()
        callers = await seated(desk, game)
        room = desk.only_room()
        apart = 0
        for offsets in product(range(QUIET_TICKS + 1), repeat=len(NAMES)):
            first = room.match.tick
            for at in range(QUIET_TICKS + 1):
                for caller, offset in zip(callers, offsets, strict=False):
                    if offset == at:
                        # It moves nothing and is acknowledged: a frame for this player alone.
                        caller.post(0)
                await desk.seconds(TICK_S)
            last = room.match.tick
            apart += len({tuple(ticks_of(caller, first, last)) for caller in callers}) > 1
            await desk.seconds(2 * QUIET_S)
            settled = room.match.tick
            await desk.seconds(3 * QUIET_S)
            sent = {tuple(ticks_of(caller, settled, room.match.tick)) for caller in callers}
            assert len(sent) == 1, (offsets, sent)
            assert len(sent.pop()) == 3, offsets
        assert apart > 100, "they became quiet at different ticks"
        assert_none_waits(callers, QUIET_TICKS)
        await desk.stop()

    virtually(scenario())


def test_a_game_that_sends_seldom_sends_together_and_no_later_than_its_next_frames() -> None:
    async def scenario() -> None:
        desk = await Desk(Seldom(), digest_ticks=0, quiet_s=QUIET_S).start()
        callers = await seated(desk, Seldom())
        room = desk.only_room()
        for offset in range(12):
            callers[0].post(0)
            await desk.seconds(TICK_S * offset)
            callers[1].post(0)
            await desk.seconds(4 * QUIET_S)
            settled = room.match.tick
            await desk.seconds(4 * QUIET_S)
            sent = {tuple(ticks_of(caller, settled, room.match.tick)) for caller in callers}
            assert len(sent) == 1, (offset, sent)
        # What is due after four ticks goes with the frames of the sixth.
        assert_none_waits(callers, 6)
        await desk.stop()

    virtually(scenario())


@pytest.mark.parametrize("game", [Hush(), Hole()])
def test_a_newcomer_to_a_quiet_room_that_is_old_waits_no_longer_than_the_others(game: Yard) -> None:
    async def scenario() -> None:
        desk = await Desk(game, digest_ticks=0, quiet_s=QUIET_S).start()
        name = type(game).__name__.lower()
        ada = await desk.call("Ada", name)
        await desk.seconds(5)
        bob = await desk.call("Bob", name)
        # Twenty ticks pass before the eighth frame, with which Bob's client first reports.
        await desk.seconds(1.2)
        ada.post(1)
        await desk.seconds(5)
        moved = {frame.tick for frame in ada.frames if frame.ack == 1}
        assert min(moved) in {frame.tick for frame in bob.frames}
        assert_none_waits([ada, bob], QUIET_TICKS)
        await desk.stop()

    virtually(scenario())


def random_life(seed: int, quiet_s: float, game: Callable[[], Yard]) -> list[list[Frame]]:
    """The frames of everyone who plays the same random scenes, with frames that far apart."""
    heard: list[list[Frame]] = []

    async def scenario() -> None:
        rng = Random(seed)
        desk = await Desk(game(), digest_ticks=0, quiet_s=quiet_s).start()
        callers = await seated(desk, game())
        for _ in range(60):
            caller = rng.choice(callers[: len(NAMES)])
            for _ in range(rng.choice((1, 1, 1, 3))):
                match rng.randrange(5):
                    case 0:
                        caller.post(rng.choice((1, -1)))
                    case 1:
                        caller.post(None, "no")
                    case 2:
                        caller.post(None, rng.choice(("hello", "flash")))
                    case _:
                        caller.post(0)
            await desk.seconds(TICK_S * rng.choice((1, 1, 2, 3, 5, 9, 14)))
        await desk.seconds(1)
        if quiet_s:
            assert_none_waits(callers, QUIET_TICKS)
        heard.extend(caller.frames for caller in callers)
        await desk.stop()

    virtually(scenario())
    return heard


@pytest.mark.parametrize("game", [Hush, Hole])
@pytest.mark.parametrize("seed", range(3))
def test_every_frame_that_says_something_comes_at_its_tick(
    seed: int, game: Callable[[], Yard]
) -> None:
    full, spared = random_life(seed, 0.0, game), random_life(seed, QUIET_S, game)
    told = left_out = 0
    for every, some in zip(full, spared, strict=True):
        by_tick = {frame.tick: frame for frame in some}
        for before, frame in pairwise(every):
            said = (frame.ack, frame.refusals, frame.dropped, frame.chunks)
            changed = bool(frame.chunks or frame.refusals or frame.dropped)
            if changed or frame.ack != before.ack:
                found = by_tick[frame.tick]
                assert (found.ack, found.refusals, found.dropped, found.chunks) == said
                told += 1
            # One from nothing tells what is there, whether or not it moved.
            if before.chunks and before.base:
                assert frame.tick in by_tick, "what moved has stopped: said a tick later"
            left_out += frame.tick not in by_tick
    assert told > 100
    assert left_out > told
