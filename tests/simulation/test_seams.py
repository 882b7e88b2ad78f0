"""Every seam at once: whole servers and their players in one thread, one seed and virtual time."""

from __future__ import annotations

import asyncio

import pytest

from server.app import App
from shared.match import Match
from tests.simulation.loop import Deadlock, virtually
from tests.simulation.world import World

PLAYERS = 5
SECONDS = 60

# A minute takes seconds, but a busy machine may make many of them.
pytestmark = pytest.mark.timeout(240)


def the_match(app: App) -> Match:
    [room] = app.host.rooms()
    return room.match


def judge(world: World, app: App) -> None:
    """Each player saw what was so, and each input was applied once or refused aloud."""
    match = the_match(app)
    for bot in world.bots:
        tally = bot.tally
        row = next(player for player in match.players if player.id == tally.player)
        assert row.name == bot.session._join.name
        assert (tally.player_changed, tally.ticks_back, len(tally.rooms)) == (0, 0, 1)
        assert tally.divergence == 0
        assert tally.digests > 20
        assert tally.inputs_sent > 300
        assert (tally.given_up, tally.unacked, bot.session.waiting) == (0, 0, 0)
        assert row.input_seq == bot.session.last_seq
        assert row.inputs_applied == tally.expected
        assert row.inputs_skipped == tally.inputs_skipped
        assert tally.expected + tally.inputs_skipped == tally.inputs_sent


def a_minute(seed: int) -> bytes:
    """The journal of a minute's play."""

    async def scenario() -> bytes:
        world = World(seed)
        app = await world.serve("first")
        await world.play(PLAYERS, SECONDS)
        await world.settle()
        judge(world, app)
        assert not any(bot.tally.errors for bot in world.bots)
        assert the_match(app).tick >= SECONDS * 20 - 3
        await world.part()
        await app.stop(4)
        assert len(asyncio.all_tasks()) == 1, "nothing runs on"
        return world.store.journal()

    return virtually(scenario())


def test_a_seed_is_a_world_to_the_byte() -> None:
    first = a_minute(7)
    assert len(first) > 50_000
    assert a_minute(7) == first
    assert a_minute(8) != first


@pytest.mark.parametrize("lost", ["ask", "answer"])
def test_a_server_abandoned_in_the_middle_of_a_tick_is_a_hiccup(lost: str) -> None:
    async def scenario() -> None:
        world = World(11)
        old = await world.serve("first")
        await world.play(PLAYERS, 10)
        gate = asyncio.Event()
        if lost == "ask":
            world.store.hold_asks = gate
        else:
            world.store.hold_answers = gate
        await asyncio.sleep(0.2)
        # The tick is stepped; its append is under way, or done and never answered.
        [room] = old.host.rooms()
        assert not room.settled
        assert room.match.tick == room.census.tick + 1
        before, census = len(world.store.written), room.census
        world.network.unplug()
        world.store.hold_asks = world.store.hold_answers = None
        await asyncio.sleep(0.3)
        new = await world.serve("second")
        # The old process still lives, so an edge takes the room once it hears nothing of it.
        await asyncio.sleep(5)
        [heir] = new.host.rooms()
        first = next(one for one in world.store.written if one.epoch == heir.epoch)
        assert first.tick == census.tick + 1 + (lost == "answer")
        gate.set()
        await asyncio.sleep(5)
        [late] = old.host.rooms()
        assert late.owned is None, "what came too late was refused, and the room is followed"
        await world.settle()
        judge(world, new)
        assert [bot.tally.resumes for bot in world.bots] == [1] * PLAYERS
        written = world.store.written
        assert [one.tick for one in written] == list(range(1, written[-1].tick + 1))
        epochs = [one.epoch for one in written]
        assert epochs == sorted(epochs)
        assert len(set(epochs[:before])) == 1
        assert set(epochs[before:]) == {new.host.rooms()[0].epoch}
        await world.part()
        for app in (old, new):
            await app.stop(4)

    virtually(scenario())


def test_a_drained_server_hands_over_and_no_tick_is_missing() -> None:
    async def scenario() -> None:
        world = World(13)
        old = await world.serve("first")
        await world.play(PLAYERS, 10)
        stopping = asyncio.ensure_future(old.stop(4))
        await asyncio.sleep(1)
        world.network.unplug()
        await stopping
        new = await world.serve("second")
        await asyncio.sleep(10)
        await world.settle()
        judge(world, new)
        ticks = [one.tick for one in world.store.written]
        assert ticks == list(range(1, len(ticks) + 1))
        await world.part()
        await new.stop(4)

    virtually(scenario())


def test_a_world_that_waits_for_ever_is_told_so() -> None:
    async def scenario() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        virtually(scenario())
