"""Who asks for a seat that is not theirs, or not to be had, is told so, and nobody else notices."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from server.core.tokens import UNKNOWN, issue
from server.core.tokens import Seat as SignedSeat
from tests.end_to_end.client import (
    CLOSE,
    FRAME,
    INPUT,
    JOIN,
    LEAVE,
    RESUME,
    Client,
    Ending,
    Seat,
    connected,
)
from tests.end_to_end.server import SECRET, Server
from tests.end_to_end.witness import Witness, unharmed

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])


NONCE = os.urandom(16)

Forge = Callable[[Seat, Witness], bytes]


def signed(room: str, player: int, age_s: float = 0.0, secret: str = SECRET) -> bytes:
    """A token that is right in its form, made by whoever knows the key."""
    return issue(secret.encode(), SignedSeat(room, player, NONCE), time.time() - age_s)


FORGERIES: dict[str, tuple[Forge, int, str]] = {
    "empty": (lambda seat, _: b"", 4401, UNKNOWN),
    "noise": (lambda seat, _: os.urandom(64), 4401, UNKNOWN),
    "cut": (lambda seat, _: seat.token[:-1], 4401, UNKNOWN),
    "one bit changed": (lambda seat, _: flipped(seat.token, 9), 4401, UNKNOWN),
    "signature changed": (lambda seat, _: flipped(seat.token, -1), 4401, UNKNOWN),
    "another room written in": (
        lambda seat, witness: seat.token.replace(seat.room.encode(), witness.seat.room.encode()),
        4401,
        UNKNOWN,
    ),
    "signed by another": (
        lambda seat, _: signed(seat.room, seat.player, secret="another key" * 3),
        4401,
        UNKNOWN,
    ),
    "of somebody else's seat": (
        lambda seat, witness: signed(witness.seat.room, witness.seat.player),
        4410,
        "the seat was given up",
    ),
    "of a room that is over": (lambda seat, _: signed("n" * 20, 1), 4410, "the room is over"),
}


def flipped(token: bytes, at: int) -> bytes:
    changed = bytearray(token)
    changed[at] ^= 1
    return bytes(changed)


def refused(ending: Ending, code: int, reason: str, retry_after_ms: int | None = None) -> None:
    assert (ending.code, ending.reason) == (code, reason)
    assert ending.close == [CLOSE, code, reason, retry_after_ms]


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_token_that_proves_nothing(server: Server, name: str) -> None:
    forge, code, reason = FORGERIES[name]
    async with unharmed(server) as witness, connected(server) as holder:
        seat = await holder.join()
        async with connected(server) as client:
            await client.send(RESUME, forge(seat, witness), seat.epoch, 0, 1)
            refused(await client.ended(), code, reason)
        # Whoever holds the seat that was aimed at keeps it.
        await holder.hear(FRAME)


async def test_a_seat_has_one_connection_and_the_newest_plays(server: Server) -> None:
    async with unharmed(server) as witness, connected(server) as old, connected(server) as new:
        seat = await old.join(room=witness.seat.room)
        await old.send(INPUT, old.tick, [1, [1, 0]])
        resumed = await new.resume(seat, held=old.tick, first_seq=1)
        refused(await old.ended(), 4409, "another connection took this seat")
        assert (resumed.room, resumed.player) == (seat.room, seat.player)
        assert resumed.token != b""
        await plays(new)


async def test_the_same_nonce_twice_is_the_same_seat(server: Server) -> None:
    async with unharmed(server) as witness, connected(server) as old, connected(server) as new:
        join = (JOIN, os.urandom(16), "yard", {"room": witness.seat.room}, "twin", 0, None, "")
        await old.send(*join)
        first = await old.welcomed()
        await new.send(*join)
        second = await new.welcomed()
        assert (second.room, second.player) == (first.room, first.player)
        refused(await old.ended(), 4409, "another connection took this seat")
        await plays(new)


async def test_a_seat_given_up_is_gone(server: Server) -> None:
    async with unharmed(server), connected(server) as client, connected(server) as again:
        seat = await client.join()
        await client.send(LEAVE)
        refused(await client.ended(), 1000, "left")
        await again.send(RESUME, seat.token, seat.epoch, 0, 1)
        # The room may have ended with its only player, or not yet.
        ending = await again.ended()
        assert ending.code == 4410
        assert ending.reason in {"the seat was given up", "the room is over"}


REFUSALS: dict[str, tuple[str, dict[str, Any], int, str]] = {
    "no such game": (
        "chess",
        {},
        4404,
        "there is no game 'chess' here; there is coins, yard, crowd",
    ),
    "a game like a path": (
        "../coins",
        {},
        4404,
        "there is no game '../coins' here; there is coins, yard, crowd",
    ),
    "unknown option": (
        "yard",
        {"height": 3},
        4422,
        "yard has no option 'height'; it has bots, private, room, width",
    ),
    "option too large": (
        "yard",
        {"width": 10},
        4422,
        "option width: 10 is not a whole number from 1 to 9",
    ),
    "option of another kind": (
        "yard",
        {"width": "wide"},
        4422,
        "option width: 'wide' is not a whole number from 1 to 9",
    ),
    "option not a number": (
        "yard",
        {"width": float("nan")},
        4422,
        "option width: nan is not a whole number from 1 to 9",
    ),
    "too many bots": (
        "coins",
        {"bots": 65},
        4422,
        "option bots: 65 is not a whole number from 0 to 16",
    ),
    "private maybe": ("coins", {"private": 1}, 4422, "option private: expected true or false"),
    "no such room": ("coins", {"room": "x" * 20}, 4404, "there is no such room"),
    "a room like a path": ("coins", {"room": "../../etc"}, 4404, "there is no such room"),
    "a room of no text": ("coins", {"room": 7}, 4404, "there is no such room"),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_join_that_leads_nowhere(server: Server, name: str) -> None:
    game, options, code, reason = REFUSALS[name]
    async with unharmed(server), connected(server) as client:
        await client.send(JOIN, os.urandom(16), game, options, "lost", 0, None, "")
        refused(await client.ended(), code, reason)


async def test_a_room_of_another_game(server: Server) -> None:
    async with unharmed(server) as witness, connected(server) as client:
        options = {"room": witness.seat.room}
        await client.send(JOIN, os.urandom(16), "coins", options, "lost", 0, None, "")
        refused(await client.ended(), 4404, "there is no such room")


async def test_a_game_may_refuse_a_player(server: Server) -> None:
    async with unharmed(server) as witness, connected(server) as client:
        options = {"room": witness.seat.room}
        await client.send(JOIN, os.urandom(16), "yard", options, "stranger", 0, None, "")
        refused(await client.ended(), 4403, "strangers stay outside")


async def test_a_full_room_says_so_and_may_be_watched(server: Server) -> None:
    async with unharmed(server), AsyncExitStack() as stack:

        async def enter() -> Client:
            return await stack.enter_async_context(connected(server))

        seat = await (await enter()).join("coins", private=True)
        for _ in range(15):
            await (await enter()).join("coins", room=seat.room)
        late = await enter()
        options = {"room": seat.room}
        await late.send(JOIN, os.urandom(16), "coins", options, "late", 0, None, "")
        refused(await late.ended(), 4423, "the room is full")
        assert (await (await enter()).join("coins", role=1, room=seat.room)).player == 0


async def plays(client: Client) -> None:
    """The seat's inputs are applied: their seq comes back as an ack."""
    await until(client.hear, lambda frame: frame[4] >= 1, INPUT, client)


async def until(
    hear: Callable[[int], Awaitable[list[Any]]],
    wanted: Callable[[list[Any]], bool],
    kind: int,
    client: Client,
) -> None:
    await client.send(kind, client.tick, [1, [1, 0]])
    while not wanted(await hear(FRAME)):
        pass
