"""Where players go: to the seat they have, to a certain room, to any of a kind, or to a new one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from weakref import WeakValueDictionary

from server.core.lobby import RoomMeta, Wish, read_wish
from server.core.seating import FULL, LOCKED, SeatSearch
from server.host.context import Context
from server.host.directory import Directory, kind_key, meta_key
from server.host.room_handle import RoomHandle
from server.store.exchange import NONCE_S, NoSeat
from shared.chunks import pack
from shared.errors import CloseCode, RemoteError, StoreError
from shared.game import Game
from shared.messages import Join, Role
from shared.schema import describe


class Placement:
    """Finds rooms through the directory. `rooms` are those known here, `make` makes one.

    JOINs wait for nothing but their own room: only those that repeat a nonce wait for each other.
    """

    def __init__(
        self,
        context: Context,
        games: Mapping[str, Game],
        directory: Directory,
        *,
        standing: Sequence[tuple[str, Mapping[str, Any]]],
        rooms: Callable[[], Mapping[str, RoomHandle]],
        reach: Callable[[str], Awaitable[RoomHandle | None]],
        make: Callable[[RoomMeta, Game, Wish, bytes], Awaitable[RoomHandle]],
    ) -> None:
        self._games = games
        self._unloaded = context.unloaded
        self._name = context.name
        self._exchange = context.exchange
        self._directory = directory
        self._clock = context.clock
        self._chance = context.chance
        self._log = context.log
        self._suspicion = context.watch.suspicion
        self._rooms = rooms
        self._reach = reach
        self._make_room = make
        self.standing = [read_wish(name, self.served(name), options) for name, options in standing]
        self.standing_keys = {kind_key(wish) for wish in self.standing}
        self._making_standing = asyncio.Lock()
        self._turns: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()
        # The rooms where nonces have a seat or asked for one, by when they were noted.
        self._noted: dict[str, tuple[float, str]] = {}

    def served(self, name: str) -> Game:
        """The game of this name; RemoteError says which there are."""
        game = self._games.get(name)
        if game is None and name in self._unloaded:
            raise RemoteError(
                CloseCode.UNAVAILABLE, f"game {name} does not load on this server now", 5000
            )
        if game is None:
            known = ", ".join(self._games)
            raise RemoteError(
                CloseCode.NOT_FOUND, f"there is no game {name[:40]!r} here; there is {known}"
            )
        return game

    async def place(self, join: Join, search: SeatSearch | None = None) -> RoomHandle:
        """The room a JOIN leads to, made if need be; RemoteError says why not."""
        wish = read_wish(join.game, self.served(join.game), join.options)
        search = search or SeatSearch(join)
        # The same JOIN may be making its room on another connection.
        turn = self._turns.setdefault(join.nonce, asyncio.Lock())
        try:
            async with turn:
                room = self._seated(search)
                if room is None and wish.room is not None:
                    room = await self._certain(wish.room, join)
                elif room is None:
                    room = await self._any(wish, search)
                self._note(join.nonce.hex(), room.id)
                return room
        except StoreError as error:
            self._log.error("a player could not be placed: %s", error)
            raise RemoteError(CloseCode.UNAVAILABLE, "the store is away", 2000) from None

    async def stand(self) -> None:
        """Make the standing rooms that are missing everywhere."""
        if not self.standing:
            return
        async with self._making_standing:
            # Rooms taken up a moment ago are not in the directory yet.
            await self._directory.announce()
            for wish in self.standing:
                if self._suspicion.refuses(wish.game):
                    continue
                key = kind_key(wish)
                listings = await self._exchange.listings(key)
                if listings:
                    self._pin(key, listings[0].room)
                    continue
                found = await self._exchange.find_seat(key, self._chance(16), self._name)
                if found is NoSeat.MAKE:
                    await self._make(wish)

    def _pin(self, key: str, first: str) -> None:
        """Of each standing kind one room is kept open: the first in the directory."""
        for room in self._rooms().values():
            if room.owned is not None and meta_key(room.meta) == key:
                room.pinned = room.id == first

    def owns(self, room: RoomHandle) -> None:
        """This process owns a room from now on: who has a seat there may repeat the JOIN here."""
        for player in room.match.players:
            if player.nonce:
                self._note(player.nonce, room.id)

    def _note(self, nonce: str, room: str) -> None:
        now = self._clock.now()
        # Put last, so that the notes stay in order of time.
        self._noted.pop(nonce, None)
        self._noted[nonce] = (now, room)
        while (oldest := next(iter(self._noted))) and now - self._noted[oldest][0] > NONCE_S:
            del self._noted[oldest]

    def _seated(self, search: SeatSearch) -> RoomHandle | None:
        """The room where this nonce has a seat or asked for one, for a repeated JOIN."""
        join = search.join
        noted_s, name = self._noted.get(join.nonce.hex(), (0.0, ""))
        room = self._rooms().get(name)
        if room is None or name in search.passed or self._clock.now() - noted_s > NONCE_S:
            return None
        fits = not room.ending and room.meta.game == join.game
        return room if fits and room.holds(join.nonce) else None

    async def _certain(self, name: str, join: Join) -> RoomHandle:
        room = await self._reach(name)
        if room is None or room.ending or room.meta.game != join.game:
            raise RemoteError(CloseCode.NOT_FOUND, "there is no such room")
        if not room.understood:
            raise other_rules()
        if join.role is Role.PLAYER and not room.holds(join.nonce):
            no = None if room.free_seats > 0 else FULL if room.open_to_join else LOCKED
            if no is not None:
                raise RemoteError(no.close_code, no.reason)
        return room

    async def _any(self, wish: Wish, search: SeatSearch) -> RoomHandle:
        """An open room of this kind, wherever it is run, or a new one."""
        watches = search.join.role is Role.SPECTATOR and not wish.private
        nonce = b"" if watches else search.join.nonce
        while not search.exhausted:
            found = await self._directory.seat(wish, nonce, search.passed)
            if found is None:
                break
            try:
                room = await self._reach(found)
            except RemoteError as error:
                if error.code is CloseCode.UNAVAILABLE and not wish.private:
                    # The room falls asleep, wakes, or cannot be read here: look for another.
                    search.passed.append(found)
                    continue
                if error.code is not CloseCode.GAME_FAILED:
                    raise
                # It was put aside, and whoever announced it has died of it.
                room = None
            if room is not None and _is_open(room) and (watches or _seats(room, nonce)):
                return room
            # It filled up, or ended, before the directory was told.
            if room is None:
                await self._directory.gone(found)
            search.passed.append(found)
        room = await self._make(wish, nonce)
        search.made = room.id
        return room

    async def _make(self, wish: Wish, nonce: bytes = b"") -> RoomHandle:
        """A new room; for this nonce, if there is one."""
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
        return await self._make_room(meta, game, wish, nonce)


def _is_open(room: RoomHandle) -> bool:
    """Whether a room goes on, and this process can show it."""
    return not room.ending and room.understood


def _seats(room: RoomHandle, nonce: bytes) -> bool:
    """Whether a player who does not mind which room has, or can have, a seat in this one."""
    return room.holds(nonce) or (not room.finished and room.free_seats > 0)


def other_rules() -> RemoteError:
    """For a room whose owner has other inputs: another process may serve it, or take it over."""
    return RemoteError(CloseCode.UNAVAILABLE, "the room is run by other rules; try again", 1000)
