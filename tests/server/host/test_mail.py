"""Letters are obeyed by whom they are for, and harm nobody, whatever is in them."""

from __future__ import annotations

import logging

import pytest

from server.core.post import Adopt, Failed, Leaving, Move, Present, encode_letter, encode_move
from server.store.base import Status
from shared.chunks import pack
from tests.server.core.yard import nonce
from tests.server.host.rig import Rig, player
from tests.simulation.loop import virtually


def test_an_edges_letter_is_obeyed_by_the_owner_alone() -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room, _ = await one.room("Ada", "Bob")
        copy = await two.host.reach(room.id)
        assert copy is not None
        bob = player(room, "Bob").id
        letter = encode_letter("far", [Leaving(bob), Present(frozenset(), 3)])
        copy.receive(letter)
        await one.seconds(0.2)
        assert (len(room.match.players), room.census.spectators) == (2, 0), "it follows only"
        two.exchange.post(room.id, letter)
        await one.seconds(0.2)
        assert [row.name for row in copy.match.players] == ["Ada"]
        assert room.census.spectators == 3
        await one.seconds(4)
        assert room.census.spectators == 0, "what comes by letter does not last"
        await two.stop()
        await one.stop()

    virtually(scenario())


HOSTILE = [
    b"",
    b"\xc1",
    b"spoiled",
    pack(None),
    pack(["far", [99]]),
    pack(["far", [1, b"short", "Ada", ""]]),
    pack(["far", [1, nonce("Eve"), "n" * 25, ""]]),
    pack(["far", [3, 3, 2**60, 1]]),
    pack(["far", [4, 3, [1, [99, 0], [], 0]]]),
    pack(["far", [5, [1, None], 0]]),
    pack(["far", [8, "../../etc"]]),
    encode_letter("far", [Adopt("room00000001")]),
]


@pytest.mark.parametrize("letter", HOSTILE, ids=repr)
def test_a_letter_nobody_of_ours_wrote_is_logged_and_the_room_goes_on(
    letter: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada")
        with caplog.at_level(logging.WARNING):
            rig.exchange.post(room.id, letter)
            await rig.seconds(0.5)
        [record] = caplog.records
        assert f"room {room.id}: a " in record.message
        assert (watcher.end, rig.metrics.counters.get("game_errors_total", 0)) == (None, 0)
        assert watcher.ticks == list(range(1, room.match.tick + 1))
        assert [row.name for row in room.match.players] == ["Ada"]
        await rig.stop()

    virtually(scenario())


@pytest.mark.parametrize(
    "letter", [*HOSTILE[:-1], encode_letter("far", [Leaving(3), Failed("over")])], ids=repr
)
def test_a_letter_to_a_process_that_is_none_is_logged(
    letter: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada")
        with caplog.at_level(logging.WARNING):
            rig.exchange.post(rig.host.name, letter)
            await rig.seconds(0.5)
        assert "a letter to this process cannot be read" in caplog.text or (
            "a process is not asked for Leaving(player=3)" in caplog.text
        )
        assert watcher.ticks == list(range(1, room.match.tick + 1))
        await rig.stop()

    virtually(scenario())


def test_a_process_that_is_asked_to_adopts_a_room() -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room, _ = await one.room("Ada")
        one.exchange.post("host-2", encode_letter("host-1", [Adopt(room.id)]))
        await one.seconds(0.2)
        [copy] = two.host.rooms()
        assert (copy.id, copy.owned, copy.used) == (room.id, None, False)
        assert copy.match.tick == room.census.tick
        await two.stop()
        await one.stop()

    virtually(scenario())


def test_a_room_that_cannot_be_adopted_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, _ = await rig.room("Ada")
        room.fail("for this test")
        await rig.seconds(0.2)
        [entry] = await rig.store.rooms()
        assert entry.status is Status.QUARANTINED
        with caplog.at_level(logging.WARNING):
            for name in (room.id, "room00000001"):
                rig.exchange.post("host-1", encode_letter("host-2", [Adopt(name)]))
            await rig.seconds(0.2)
        [record] = caplog.records
        assert f"room {room.id} could not be adopted: the room failed" in record.message
        assert rig.host.rooms() == [], "and one that is not there is nothing to follow"
        await rig.stop()

    virtually(scenario())


def test_an_operators_letter_moves_a_room_where_it_says(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room, _ = await one.room("Ada")
        [local] = one.host.rooms()
        await one.seconds(1)
        epoch = room.epoch
        with caplog.at_level(logging.WARNING):
            one.exchange.post(room.id, encode_move("host-1"))
            await one.seconds(0.5)
            assert (local.life.owned, caplog.records) == (True, []), "there it is"
            one.exchange.post(room.id, encode_move("host-9"))
            await one.seconds(0.5)
        assert local.owned is not None
        assert f"room {room.id} was asked to move, and nobody took it" in caplog.text
        one.exchange.post(room.id, encode_letter("operator", [Move("host-2"), Move("host-2")]))
        await one.seconds(2)
        [heir] = two.host.rooms()
        assert heir.owned is not None
        assert local.follower is not None
        assert local.epoch == heir.epoch > epoch
        ticks = len(one.store._rooms[room.id].records)
        assert ticks == one.store.committed(room.id), "not a tick is missing"
        await two.stop()
        await one.stop()

    virtually(scenario())


def test_a_host_that_stopped_hears_no_letters(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        await rig.stop()
        rig.host._mail.close()
        with caplog.at_level(logging.WARNING):
            rig.exchange.post("host-1", b"spoiled")
            await rig.seconds(0.1)
        assert caplog.records == []

    virtually(scenario())
