"""Several servers over one store: a room is played through all of them and outlives each."""

from __future__ import annotations

import pytest

from bench.recorder import Recorder
from bots.clock import LoopClock
from server.core.post import encode_move
from server.store.exchange import Released
from tests.simulation.loop import virtually
from tests.simulation.process import Process
from tests.simulation.test_seams import judge
from tests.simulation.world import World

pytestmark = pytest.mark.timeout(240)


async def three(seed: int) -> tuple[World, list[Process]]:
    world = World(seed)
    return world, [await world.join_in(name) for name in ("one", "two", "three")]


def owner_of(processes: list[Process], room: str) -> Process:
    [owner] = [process for process in processes if room in process.owns()]
    return owner


def contiguous(world: World) -> None:
    written = world.store.written
    assert [one.tick for one in written] == list(range(1, len(written) + 1))
    epochs = [one.epoch for one in written]
    assert epochs == sorted(epochs)


async def the_end(world: World, owner: Process, processes: list[Process]) -> None:
    await world.settle()
    judge(world, owner.app)
    contiguous(world)
    await world.part()
    for process in processes:
        await process.drain()


@pytest.mark.parametrize("seed", range(4))
def test_players_meet_in_one_room_through_every_server(seed: int) -> None:
    async def scenario() -> None:
        world, processes = await three(seed)
        await world.play(6, 20)
        rooms = {room for process in processes for room in process.owns()}
        assert len(rooms) == 1
        followed = [len(process.app.host.rooms()) for process in processes]
        assert followed == [1, 1, 1]
        assert not any(bot.tally.errors for bot in world.bots)
        await the_end(world, owner_of(processes, rooms.pop()), processes)

    virtually(scenario())


@pytest.mark.parametrize("seed", range(6))
def test_the_owner_dies_and_the_match_goes_on_elsewhere(seed: int) -> None:
    async def scenario() -> None:
        world, processes = await three(seed)
        await world.play(6, 15)
        heir = processes[0]
        for _ in range(2):
            [room] = {room for process in processes for room in process.owns()}
            owner = owner_of(processes, room)
            before = len(world.store.written)
            await owner.kill()
            processes.remove(owner)
            await world.play(0, 0.4)
            heir = owner_of(processes, room)
            # Silence of three ticks, a little jitter, and the ticks since then.
            assert len(world.store.written) - before >= 3, "it goes on within a moment"
            await world.play(0, 5)
        assert max(bot.tally.resumes for bot in world.bots) <= 2
        await the_end(world, heir, processes)

    virtually(scenario())


@pytest.mark.parametrize("seed", range(4))
def test_an_owner_cut_off_from_the_store_follows_once_it_is_back(seed: int) -> None:
    async def scenario() -> None:
        world, processes = await three(seed)
        await world.play(6, 15)
        [room] = {room for process in processes for room in process.owns()}
        owner = owner_of(processes, room)
        owner.link.cut()
        await world.play(0, 2)
        others = [process for process in processes if process is not owner]
        heir = owner_of(others, room)
        owner.link.mend()
        await world.play(0, 5)
        assert owner.owns() == []
        [local] = owner.app.host.rooms()
        assert local.follower is not None
        assert local.epoch == heir.app.host.rooms()[0].epoch
        await the_end(world, heir, processes)

    virtually(scenario())


@pytest.mark.parametrize("seed", range(4))
def test_a_drain_hands_the_room_over_in_time(seed: int) -> None:
    async def scenario() -> None:
        world, processes = await three(seed)
        await world.play(6, 15)
        [room] = {room for process in processes for room in process.owns()}
        owner = owner_of(processes, room)
        ticks, now_s = len(world.store.written), world.now()
        await owner.drain()
        processes.remove(owner)
        took_s = world.now() - now_s
        assert len(world.store.written) - ticks >= took_s * 20 - 2, "no tick is missed"
        await world.play(0, 3)
        await the_end(world, owner_of(processes, room), processes)

    virtually(scenario())


def test_a_room_nobody_follows_is_found_by_the_sweep() -> None:
    async def scenario() -> None:
        world, processes = await three(9)
        await world.play(1, 15)
        [owner] = [process for process in processes if process.owns()]
        [room] = owner.owns()
        world.network.pool[:] = []
        await owner.kill()
        processes.remove(owner)
        # A process that is silent for three seconds is gone, and sweeps come every second.
        await world.play(0, 6)
        heir = owner_of(processes, room)
        world.network.pool += [process.app.listener for process in processes]
        await world.play(0, 5)
        await the_end(world, heir, processes)

    virtually(scenario())


def test_a_room_that_is_to_move_never_stays() -> None:
    async def scenario() -> None:
        world, processes = await three(5)
        await world.play(6, 10)
        [room] = {room for process in processes for room in process.owns()}
        heard: list[object] = []
        await world.exchange.follow(room, heard.append)
        for _ in range(20):
            owner = owner_of(processes, room)
            heard.clear()
            world.exchange.post(room, encode_move(None))
            await world.play(0, 1)
            heir = owner_of(processes, room)
            assert heir is not owner
            # Who lets go follows, and would be the fastest to take it.
            [released] = [news for news in heard if isinstance(news, Released)]
            assert released.to == heir.name
        await the_end(world, owner_of(processes, room), processes)

    virtually(scenario())


def test_a_server_that_was_cut_off_shows_nobody_older_ticks() -> None:
    async def scenario() -> None:
        world, processes = await three(6)
        await world.play(6, 14)
        [room] = {room for process in processes for room in process.owns()}
        behind = next(process for process in processes if not process.owns())
        behind.link.cut()
        await world.play(0, 2)
        # Everybody comes to the one server that has not heard of the last two seconds.
        pool, world.network.pool[:] = list(world.network.pool), [behind.app.listener]
        recorders = [Recorder(bot, LoopClock()) for bot in world.bots]
        for bot in world.bots:
            bot.connection.drop()
        await world.play(0, 1)
        behind.link.mend()
        await world.play(0, 3)
        assert {bot.connection.welcomes for bot in world.bots} == {2}
        for recorder in recorders:
            ticks = [seen.tick for seen in recorder.witness.frames]
            assert len(ticks) > 40
            assert ticks == sorted(set(ticks))
        assert {bot.tally.ticks_back for bot in world.bots} == {0}
        world.network.pool[:] = pool
        await the_end(world, owner_of(processes, room), processes)

    virtually(scenario())
