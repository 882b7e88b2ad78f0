"""Rooms that may run ahead of their journal: what they promise, and what they do not."""

from __future__ import annotations

import pytest

from tests.simulation.loop import virtually
from tests.simulation.process import Process
from tests.simulation.test_many import contiguous, owner_of
from tests.simulation.world import World

LAG_TICKS = 100

pytestmark = pytest.mark.timeout(240)


async def two(seed: int, monkeypatch: pytest.MonkeyPatch) -> tuple[World, list[Process]]:
    from games.coins.game import Coins

    monkeypatch.setattr(Coins, "journal_lag_ticks_max", LAG_TICKS)
    world = World(seed)
    return world, [await world.join_in(name) for name in ("one", "two")]


@pytest.mark.parametrize("seed", range(3))
def test_a_room_goes_on_without_its_store_and_commits_all_of_it_later(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        world = World(seed)
        from games.coins.game import Coins

        monkeypatch.setattr(Coins, "journal_lag_ticks_max", LAG_TICKS)
        process = await world.join_in("one")
        await world.play(4, 5)
        [room] = process.app.host.rooms()
        process.link.cut()
        held = len(world.store.written)
        await world.play(0, 3)
        ahead = room.match.tick - held
        assert 55 <= ahead <= 61, "it plays on"
        assert len(world.store.written) <= held + 1
        views = [bot.session.view.tick for bot in world.bots if bot.session.view]
        assert min(views) > held + 50, "and its players see it"
        await world.play(0, 5)
        stands = room.match.tick
        assert room.owned is not None
        # The store may have written one tick more, whose answer was cut off.
        assert room.owned.committed in (len(world.store.written) - 1, len(world.store.written))
        assert stands - room.owned.committed == LAG_TICKS, "as far as the game allows"
        await world.play(0, 1)
        assert room.match.tick == stands
        assert room.status.name == "PAUSED"
        process.link.mend()
        await world.play(0, 5)
        assert room.status.name == "LIVE"
        await world.settle()
        contiguous(world)
        assert [bot.tally.divergence for bot in world.bots] == [0] * 4
        assert sum(bot.tally.ticks_back for bot in world.bots) == 0
        await world.part()
        await process.drain()

    virtually(scenario())


@pytest.mark.parametrize("seed", range(4))
def test_ticks_that_were_shown_and_never_committed_are_taken_back_in_the_open(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        world, processes = await two(seed, monkeypatch)
        await world.play(6, 5)
        [room] = {room for process in processes for room in process.owns()}
        owner = owner_of(processes, room)
        [heir] = [process for process in processes if process is not owner]
        owner.link.cut()
        await world.play(0, 2)
        assert heir.owns() == [room], "the other process goes on from the journal"
        [here] = owner.app.host.rooms()
        assert here.match.tick > len(world.store.written) - 41, "while this one ran ahead"
        owner.link.mend()
        await world.play(0, 5)
        assert owner.owns() == []
        for bot in world.bots:
            assert await bot.settle(10.0), bot.tally.errors
            assert bot.session.view is not None
            assert bot.session.view.tick >= len(world.store.written) - 3
            assert bot.tally.divergence == 0
        contiguous(world)
        await world.part()
        for process in processes:
            await process.drain()

    virtually(scenario())


def test_inputs_go_on_where_a_process_takes_back_the_room_it_ran_ahead_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        from games.coins.game import Coins

        monkeypatch.setattr(Coins, "journal_lag_ticks_max", LAG_TICKS)
        world = World(1)
        process = await world.join_in("one")
        await world.play(3, 5)
        [room] = process.owns()
        process.link.cut()
        await world.play(0, 1)
        # Everything is acknowledged, by ticks that never will have been.
        for bot in world.bots:
            bot._sampling = False
        await world.play(0, 0.5)
        assert [bot.session.waiting for bot in world.bots] == [0, 0, 0]
        acked = [bot.session.ack for bot in world.bots]
        # Its next append is refused, and nobody but itself takes the room.
        loaded = await world.store.acquire(room, "somebody")
        await world.store.release(room, loaded.epoch)
        process.link.mend()
        await world.play(0, 3)
        assert process.owns() == [room]
        for bot in world.bots:
            bot._sampling = True
        await world.play(0, 1)
        for bot in world.bots:
            bot._sampling = False
        await world.play(0, 1)
        assert [bot.session.waiting for bot in world.bots] == [0, 0, 0], "it stops nobody"
        assert all(bot.session.ack > was for bot, was in zip(world.bots, acked, strict=True))
        contiguous(world)
        await world.part()
        await process.drain()

    virtually(scenario())
