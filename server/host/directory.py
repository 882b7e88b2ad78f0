"""This process's part in the directory: that it lives, and what its rooms have to offer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b

from server.core.lobby import RoomMeta, Wish
from server.core.ports import Census, Listed
from server.core.versions import LeftAlone
from server.host.context import Context
from server.host.room_handle import RoomHandle
from server.store.base import Status
from server.store.exchange import BEAT_S, Listing, NoSeat, Process
from shared.chunks import pack, unpack_stored
from shared.errors import StoreError
from shared.game import Game

ANNOUNCE_S = 0.25
# What was announced this recently is not announced again for each player who comes.
FRESH_S = 0.05
# A waiting player asks again after this.
ASK_S = 0.05
# No room has a load like this.
LOAD_MAX = 1e6
ASKS_MAX = 100

SHOWN_S = 0.5
"""How long one reading of the directory is shown to whoever asks."""


def kind_key(wish: Wish) -> str:
    """What rooms a wish fits have in common; "" for a private one, which is found by its id."""
    if wish.private:
        return ""
    return _key(wish.game, tuple(wish.options.to_wire()), wish.bots)


def meta_key(meta: RoomMeta) -> str:
    """The same of a room."""
    return "" if meta.private else _key(meta.game, meta.options, meta.bots)


def _key(game: str, options: tuple[object, ...], bots: int) -> str:
    return blake2b(pack([game, list(options), bots]), digest_size=12).hexdigest()


class Directory:
    """Announces what changed, and beats; `rooms` are those this process owns."""

    def __init__(
        self,
        context: Context,
        *,
        games: Mapping[str, Game],
        rooms: Callable[[], Iterable[RoomHandle]],
        takes_more: Callable[[], bool],
        slow: bool = False,
    ) -> None:
        self._exchange = context.exchange
        self._clock = context.clock
        self._rng = context.rng
        self._log = context.log
        self._name = context.name
        self._games = games
        self._rooms = rooms
        self._takes_more = takes_more
        self._store = context.store
        # Whether this process is kept for rooms that are too slow elsewhere.
        self._slow = slow
        self._told: dict[str, tuple[object, ...]] = {}
        self._announced_s = -FRESH_S
        # What was last shown, and when; None where it changed since.
        self._shown: tuple[float, Mapping[str, Listed]] | None = None
        self._away = False

    async def run(self) -> None:
        """Beat and announce until cancelled."""
        beat_s = self._clock.now() - BEAT_S
        while True:
            beats = self._clock.now() - beat_s >= BEAT_S
            try:
                if beats:
                    beat_s = self._clock.now()
                    await self.beat()
                await self.announce()
                # Where nothing changed, nothing was asked of the directory but the beat.
                self._away = self._away and not beats
            except StoreError as error:
                if not self._away:
                    self._log.warning("the directory is away: %s", error)
                self._away = True
            await self._clock.sleep(ANNOUNCE_S * self._rng.uniform(0.9, 1.1))

    async def beat(self) -> None:
        """Say that this process lives."""
        own = {room.id for room in self._rooms()}
        self._told = {room: told for room, told in self._told.items() if room in own}
        games = tuple(self._games)
        process = Process(self._name, len(own), self._takes_more(), games, self._slow)
        await self._exchange.beat(process)

    async def announce(self) -> None:
        """Tell of every room that changed."""
        changed: list[tuple[RoomHandle, Listing]] = []
        for room in self._rooms():
            listing = self._listing(room)
            if listing is not None:
                changed.append((room, listing))
        if not changed:
            return
        try:
            await self._exchange.announce([listing for _, listing in changed])
        except StoreError:
            # Nobody heard of it, also not of the seats whose promises are over.
            for room, listing in changed:
                self._told.pop(room.id, None)
                room.seated[:0] = listing.seated
                room.made_for[:0] = listing.made_for
            raise

    async def gone(self, room: str) -> None:
        """A room is over, or asleep: the store alone knows of it."""
        self.forget(room)
        await self._exchange.delist(room)

    def forget(self, room: str) -> None:
        """Another process owns the room and announces it."""
        self._told.pop(room, None)
        self._shown = None

    async def seat(self, wish: Wish, nonce: bytes, excluding: Sequence[str] = ()) -> str | None:
        """The room where this nonce finds a seat, none of those excluded; None: make one."""
        if self._clock.now() - self._announced_s >= FRESH_S:
            self._announced_s = self._clock.now()
            await self.announce()
        key = kind_key(wish)
        for _ in range(ASKS_MAX):
            found = await self._exchange.find_seat(key, nonce, self._name, excluding)
            if found is NoSeat.MAKE:
                return None
            if isinstance(found, str):
                return found
            await self._clock.sleep(ASK_S * self._rng.uniform(0.8, 1.2))
        return None

    async def listed(self) -> Mapping[str, Listed]:
        """Every room that some process runs, by id; what cannot be read is passed over.

        The same answer stands for `SHOWN_S`, unless a room of this process changes otherwise than
        by its ticks. While the directory is away, the rooms of this process are all there is.
        """
        now_s = self._clock.now()
        if self._shown is not None and now_s - self._shown[0] < SHOWN_S:
            return self._shown[1]
        own = {room.id: self._shown_as(room) for room in self._rooms()}
        try:
            await self.announce()
            listings = await self._exchange.listings()
        except StoreError:
            return own
        found: dict[str, Listed] = {}
        for listing in listings:
            one = own.get(listing.room) or read_listing(listing)
            if one is not None:
                found[listing.room] = one
        self._shown = now_s, found
        return found

    async def find(self, room: str) -> Listed | None:
        """One room, running or asleep; None where there is none, or it is put aside."""
        for again in (True, False):
            one = (await self.listed()).get(room)
            if one is not None:
                return one
            try:
                entry = await self._store.entry(room)
                meta = RoomMeta.decode(entry.meta)
            except (StoreError, ValueError):
                return None
            if entry.status is Status.ASLEEP:
                seats = self._games[meta.game].seats if meta.game in self._games else 0
                return Listed(room, "", meta, entry.epoch, entry.status, seats, Census(entry.tick))
            if entry.status is Status.LIVE and again:
                # Its owner has announced it since, or will within the second.
                self._shown = None
        return None

    def _listing(self, room: RoomHandle) -> Listing | None:
        census = room.census
        free = _free_seats(room)
        # The tick is not among what counts as change, but is told once a second.
        second = census.tick // room.game.tick_rate
        people = (census.players, census.bots, census.spectators)
        state = (free, people, census.finished, room.status.name, room.epoch, second)
        told = self._told.get(room.id)
        if told == state and not room.seated and not room.made_for:
            return None
        if told is None or told[:-1] != state[:-1]:
            self._shown = None
        self._told[room.id] = state
        seated, room.seated = tuple(room.seated), []
        made_for, room.made_for = tuple(room.made_for), []
        return replace(self._describe(room), free=free, seated=seated, made_for=made_for)

    def _describe(self, room: RoomHandle) -> Listing:
        return Listing(room.id, meta_key(room.meta), 0, self._name, _about(room))

    def _shown_as(self, room: RoomHandle) -> Listed:
        status, free = room.status.name.lower(), _free_seats(room)
        return Listed(room.id, self._name, room.meta, room.epoch, status, free, room.census)


def _free_seats(room: RoomHandle) -> int:
    """The seats a room offers to players who do not mind which room they join.

    They are counted by the committed rows: a seat that is asked for is promised by the directory
    until the row is announced together with its nonce, and would be counted twice.
    """
    if room.finished or not room.open_to_join:
        return 0
    return max(0, room.game.seats - room.census.players)


def _about(room: RoomHandle) -> bytes:
    census = room.census
    return pack(
        [
            room.meta.encode(),
            room.status.name.lower(),
            room.epoch,
            _free_seats(room),
            [census.tick, census.players, census.bots, census.spectators],
            census.finished,
            census.tick_s,
            census.load,
        ]
    )


def read_listing(listing: Listing) -> Listed | None:
    """A directory's line as the lobby shows it; None for what no Holdfast wrote."""
    try:
        match unpack_stored(listing.about):
            case [
                bytes(meta),
                str(status),
                int(epoch),
                int(free),
                [int(tick), int(players), int(bots), int(spectators)],
                bool(finished),
                float(tick_s),
                *more,
            ]:
                # Format 0.1 has the time of the listing in this place.
                load = more[0] if more and type(more[0]) is float and more[0] < LOAD_MAX else 0.0
                census = Census(tick, players, bots, spectators, finished, tick_s, load)
                kept = RoomMeta.decode(meta)
                return Listed(listing.room, listing.owner, kept, epoch, status, free, census)
            case _:
                return None
    except (ValueError, LeftAlone):
        return None
