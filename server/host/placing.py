"""Where players go: to the seat they have, to a certain room, to any of a kind, or to a new one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from server.core.lobby import RoomMeta, Wish, read_wish
from server.core.ports import Listed
from server.host.context import Context
from server.host.directory import Directory, kind_key, meta_key
from server.host.room_handle import RoomHandle
from server.store.exchange import Listing, NoSeat
from shared.chunks import pack
from shared.errors import CloseCode, RemoteError, StoreError
from shared.game import Game
from shared.messages import Join, Role
from shared.schema import describe

# A room may fill up between being found and being joined; more often than this is no chance.
PLACES_MAX = 5


class Placing:
    """Finds rooms through the directory. `rooms` are those known here, `make` makes one."""

    def __init__(
        self,
        context: Context,
        games: Mapping[str, Game],
        directory: Directory,
        *,
        standing: Sequence[tuple[str, Mapping[str, Any]]],
        rooms: Callable[[], Sequence[RoomHandle]],
        reach: Callable[[str], Awaitable[RoomHandle | None]],
        make: Callable[[RoomMeta, Game, Wish], Awaitable[RoomHandle]],
        listed: Callable[[], Awaitable[Sequence[Listed]]],
    ) -> None:
        self._games = games
        self._exchange = context.exchange
        self._directory = directory
        self._clock = context.clock
        self._chance = context.chance
        self._log = context.log
        self._suspicion = context.watch.suspicion
        self._rooms = rooms
        self._reach = reach
        self._make_room = make
        self._listed = listed
        self.standing = [read_wish(name, self.served(name), options) for name, options in standing]
        self.standing_keys = {kind_key(wish) for wish in self.standing}
        self._making = asyncio.Lock()

    def served(self, name: str) -> Game:
        """The game of this name; RemoteError says which there are."""
        game = self._games.get(name)
        if game is None:
            known = ", ".join(self._games)
            raise RemoteError(
                CloseCode.NOT_FOUND, f"there is no game {name[:40]!r} here; there is {known}"
            )
        return game

    async def place(self, join: Join) -> RoomHandle:
        """The room a JOIN leads to, made if need be; RemoteError says why not."""
        wish = read_wish(join.game, self.served(join.game), join.options)
        try:
            if wish.room is not None:
                return self._seated(join) or await self._certain(wish, join.role)
            # Inside, since the same JOIN may be making its room on another connection.
            async with self._making:
                return self._seated(join) or await self._any(wish, join.nonce)
        except StoreError as error:
            self._log.error("a player could not be placed: %s", error)
            raise RemoteError(CloseCode.UNAVAILABLE, "the store is away", 2000) from None

    async def stand(self) -> None:
        """Make the standing rooms that are missing everywhere."""
        if not self.standing:
            return
        async with self._making:
            there = {meta_key(one.meta) for one in await self._listed() if one.owner}
            for wish in self.standing:
                if self._suspicion.refuses(wish.game):
                    continue
                key = kind_key(wish)
                if key not in there and (
                    await self._exchange.find_seat(key, self._chance(16)) is NoSeat.MAKE
                ):
                    await self._make(wish)

    def mark(self, listings: Sequence[Listing]) -> None:
        """Of each standing kind one room is kept open: the first in the directory."""
        first: dict[str, str] = {}
        for listing in listings:
            if listing.key in self.standing_keys:
                first.setdefault(listing.key, listing.room)
        for room in self._rooms():
            key = meta_key(room.meta)
            if room.owned is not None and key in first:
                room.pinned = first[key] == room.id

    def _seated(self, join: Join) -> RoomHandle | None:
        """The room where this nonce has a seat or asked for one, for a repeated JOIN."""
        for room in self._rooms():
            if not room.ending and room.meta.game == join.game and room.holds(join.nonce):
                return room
        return None

    async def _certain(self, wish: Wish, role: Role) -> RoomHandle:
        room = await self._reach(wish.room or "")
        if room is None or room.ending or room.meta.game != wish.game:
            raise RemoteError(CloseCode.NOT_FOUND, "there is no such room")
        if not room.understood:
            raise other_rules()
        if role is Role.PLAYER and room.free_seats <= 0:
            raise RemoteError(CloseCode.ROOM_FULL, "the room is full")
        return room

    async def _any(self, wish: Wish, nonce: bytes) -> RoomHandle:
        """An open room of this kind, wherever it is run, or a new one."""
        if wish.private:
            return await self._make(wish)
        for _ in range(PLACES_MAX):
            found = await self._directory.seat(wish, nonce)
            if found is None:
                return await self._make(wish)
            try:
                room = await self._reach(found)
            except RemoteError as error:
                if error.code is not CloseCode.GAME_FAILED:
                    raise
                # It was put aside, and whoever announced it has died of it.
                room = None
            if room is not None and _fits(room):
                return room
            # It filled up, or ended, before the directory was told; ask as somebody else.
            if room is None:
                await self._directory.gone(found)
            nonce = self._chance(16)
        return await self._make(wish)

    async def _make(self, wish: Wish) -> RoomHandle:
        game = self._games[wish.game]
        meta = RoomMeta(
            wish.game,
            tuple(wish.options.to_wire()),
            int.from_bytes(self._chance(16), "little"),
            wish.bots,
            wish.private,
            int(self._clock.wall_s() * 1000),
            game.version,
            pack(describe(game)[3]),
        )
        return await self._make_room(meta, game, wish)


def _fits(room: RoomHandle) -> bool:
    """Whether somebody who does not mind which room can be seated in this one."""
    return not room.finished and room.free_seats > 0 and room.understood


def other_rules() -> RemoteError:
    """For a room whose owner has other inputs: another process may serve it, or take it over."""
    return RemoteError(CloseCode.UNAVAILABLE, "the room is run by other rules; try again", 1000)
