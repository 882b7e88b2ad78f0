"""The directory in a Redis: which processes live, which rooms are open, who finds a seat where.

Each call is one script. What processes and rooms are is kept as msgpack arrays; one that cannot be
read was not written by a Holdfast, and is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import hiredis
import msgpack

from server.store.base import ROOM_ID, StoreUnavailable
from server.store.exchange import Listing, NoSeat, Process
from server.store.redis_address import Address
from server.store.redis_connection import Reply
from server.store.redis_directory_scripts import (
    ANNOUNCE,
    BEAT,
    DELIST,
    DEPART,
    DIRECTORY_KEYS,
    FIND_SEAT,
    LISTINGS,
    LIVING,
)
from server.store.redis_scripts import Script
from server.store.redis_speaker import Speaker
from shared.columns import is_list


class RedisDirectory:
    """The directory of an `Exchange`; `now` is a clock in seconds (None: the Redis's own)."""

    def __init__(self, address: Address, speaker: Speaker, now: Callable[[], float] | None) -> None:
        self._address = address
        self._speaker = speaker
        self._now = now
        self._keys = [address.key(name) for name in DIRECTORY_KEYS]

    async def beat(self, process: Process) -> None:
        """As `Exchange.beat`."""
        about = [process.name, process.rooms, process.open, process.games, process.slow]
        kept = _pack(about)
        await self._run(BEAT, process.name, kept)

    async def depart(self, name: str) -> None:
        """As `Exchange.depart`."""
        await self._run(DEPART, name)

    async def processes(self) -> list[Process]:
        """As `Exchange.processes`."""
        found = await self._run(LIVING)
        read = (_process(kept) for kept in (found if is_list(found) else ()))
        return sorted((each for each in read if each is not None), key=lambda each: each.name)

    async def mark_stuck(self, owner: str, room: str, seconds: float) -> None:
        """As `Exchange.mark_stuck`."""
        key = self._address.key(f"stuck:{owner}")
        ms = max(1, int(seconds * 1000))
        await self._speaker.ask(key, hiredis.pack_command((b"SET", key, room, b"PX", ms)))

    async def stuck_in(self, owner: str) -> str:
        """As `Exchange.stuck_in`."""
        key = self._address.key(f"stuck:{owner}")
        found = await self._speaker.ask(key, hiredis.pack_command((b"GET", key)))
        room = found.decode("ascii", "replace") if isinstance(found, bytes) else ""
        return room if ROOM_ID.fullmatch(room) else ""

    async def announce(self, listings: Sequence[Listing]) -> None:
        """As `Exchange.announce`."""
        words: list[str | bytes | int] = []
        for one in listings:
            kept = _pack([one.room, one.key, one.free, one.owner, one.about])
            words += (one.room, one.key, one.free, kept, len(one.seated), *one.seated)
            words += (len(one.made_for), *one.made_for)
        if words:
            await self._run(ANNOUNCE, *words)

    async def delist(self, room: str) -> None:
        """As `Exchange.delist`."""
        await self._run(DELIST, room)

    async def listings(self, key: str | None = None) -> list[Listing]:
        """As `Exchange.listings`."""
        found = await self._run(LISTINGS, *(() if key is None else (key,)))
        read = (_listing(kept) for kept in (found if is_list(found) else ()))
        return sorted((each for each in read if each is not None), key=lambda each: each.room)

    async def find_seat(
        self, key: str, nonce: bytes, process: str = "", excluding: Sequence[str] = ()
    ) -> str | NoSeat:
        """As `Exchange.find_seat`."""
        match await self._run(FIND_SEAT, key, nonce, process, *excluding):
            case [b"seat", bytes(room)] if ROOM_ID.fullmatch(room.decode("ascii", "replace")):
                return room.decode("ascii")
            case [b"make"]:
                return NoSeat.MAKE
            case [b"wait"]:
                return NoSeat.WAIT
            case _:
                raise StoreUnavailable(
                    f"the directory at {self._address} holds what no Holdfast wrote: "
                    "choose another ?prefix="
                )

    async def _run(self, script: Script, *arguments: str | bytes | int) -> Reply:
        now_ms = "" if self._now is None else int(self._now() * 1000)
        return await self._speaker.ask(
            self._keys[0],
            hiredis.pack_command(
                (b"EVAL", script.text, len(self._keys), *self._keys, now_ms, *arguments)
            ),
        )


_pack: Callable[[Any], bytes] = msgpack.Packer(autoreset=True).pack


def _unpack(kept: object) -> Any:
    try:
        if isinstance(kept, bytes):
            return msgpack.unpackb(kept, max_map_len=0, max_ext_len=0)
        return None
    except ValueError:
        return None


def _process(kept: object) -> Process | None:
    match _unpack(kept):
        case [str(name), int(rooms), bool(is_open), games, *slow] if is_list(games):
            return Process(name, rooms, is_open, tuple(map(str, games)), slow[:1] == [True])
        case _:
            return None


def _listing(kept: object) -> Listing | None:
    match _unpack(kept):
        case [str(room), str(key), int(free), str(owner), bytes(about)]:
            return Listing(room, key, free, owner, about)
        case _:
            return None
