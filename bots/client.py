"""A Python client with the browser's names: join a room, sample inputs, act, watch and draw rows.

room = await join("ws://localhost:8080", "coins", name="Ada")
room.sample(lambda: {"x": 1})
room.predict("Runner", run)        # run(row, input, dt, view) is the game's own step for one row
off = room.on("added", "Coin", lambda coin: print(coin.x, coin.y))
view = room.view()                 # the rows to draw now; room.latest has the newest
answer = await room.act("Say", {"text": "hi"})
room.leave()
"""

from __future__ import annotations

from collections.abc import Mapping
from random import SystemRandom
from typing import Any, Literal

from shared.limits import NONCE_BYTES
from shared.messages import Join, Role

from .address import play_url
from .clock import Clock, LoopClock
from .conversation import Conversation
from .line import Transport
from .room import Answer, Room, SessionEnded
from .websocket import Connect, open_websocket


async def join(
    url: str,
    game: str,
    *,
    name: str = "",
    options: Mapping[str, Any] | None = None,
    room: str | None = None,
    role: Literal["player", "spectator"] = "player",
    identity: str | None = None,
    transport: Literal["websocket", "polling", "auto"] = "auto",
    connect: Connect = open_websocket,
    clock: Clock | None = None,
) -> Room:
    """A seat in a room of this game, with the first frame received.

    `SessionEnded` when the server refuses; ConfigError for a URL that is none. Cancelling gives up.
    """
    wishes = dict(options or {}) | ({"room": room} if room else {})
    rng = SystemRandom()
    seat = Join(rng.randbytes(NONCE_BYTES), game, wishes, name, Role[role.upper()], identity)
    talk = Conversation(
        play_url(url),
        seat,
        connect=connect,
        clock=clock or LoopClock(),
        rng=rng,
        transport=Transport(transport),
    )
    made = Room(talk)
    try:
        await made.ready()
    except BaseException:
        made.leave()
        raise
    return made


__all__ = ["Answer", "Room", "SessionEnded", "join"]
