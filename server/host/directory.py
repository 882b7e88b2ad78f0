"""This process's part in the directory: that it lives, and what its rooms have to offer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from hashlib import blake2b

from server.core.lobby import RoomMeta, Wish
from server.core.ports import Census, Listed
from server.core.versions import LeftAlone
from server.host.context import Context
from server.host.room_handle import RoomHandle
from server.store.base import RoomEntry
from server.store.exchange import BEAT_S, Listing, NoSeat, Process
from shared.chunks import pack, unpack_stored
from shared.errors import StoreError

ANNOUNCE_S = 0.25
# What was announced this recently is not announced again for each player who comes.
FRESH_S = 0.05
# A waiting player asks again after this.
ASK_S = 0.05
ASKS_MAX = 100

LIVE, ASLEEP = "live", "asleep"


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
        games: tuple[str, ...],
        rooms: Callable[[], Iterable[RoomHandle]],
        takes_more: Callable[[], bool],
    ) -> None:
        self._exchange = context.exchange
        self._clock = context.clock
        self._rng = context.rng
        self._log = context.log
        self._name = context.name
        self._games = games
        self._rooms = rooms
        self._takes_more = takes_more
        self._told: dict[str, tuple[object, ...]] = {}
        self._announced_s = -FRESH_S
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
        owned = sum(1 for _ in self._rooms())
        await self._exchange.beat(Process(self._name, owned, self._takes_more(), self._games))

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

    async def sleeping(self, room: RoomHandle) -> None:
        """A room fell asleep: it is found by its id alone."""
        self._told.pop(room.id, None)
        about = _about(room, ASLEEP, self._clock.wall_s())
        await self._exchange.announce([Listing(room.id, "", 0, "", about)])

    async def slept(self, entry: RoomEntry) -> None:
        """A room was found asleep in the store: as `sleeping`, from now on."""
        numbers = [entry.tick, 0, 0, 0]
        wall_s = self._clock.wall_s()
        about = pack([entry.meta, ASLEEP, entry.epoch, 0, numbers, False, 0.0, wall_s])
        await self._exchange.announce([Listing(entry.room, "", 0, "", about)])

    async def gone(self, room: str) -> None:
        """A room is over."""
        self._told.pop(room, None)
        await self._exchange.delist(room)

    def forget(self, room: str) -> None:
        """Another process owns the room and announces it."""
        self._told.pop(room, None)

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

    async def listed(self) -> list[Listed]:
        """Every room of every process; what cannot be read is passed over.

        While the directory is away, the rooms of this process are all there is to tell.
        """
        try:
            await self.announce()
            listings = await self._exchange.listings()
        except StoreError:
            listings = [self._describe(room) for room in self._rooms()]
        found = [read_listing(listing) for listing in listings]
        return [one for one in found if one is not None]

    def _listing(self, room: RoomHandle) -> Listing | None:
        census = room.census
        free = _free_seats(room)
        # The tick is not among what counts as change, but is told once a second.
        second = census.tick // room.game.tick_rate
        people = (census.players, census.bots, census.spectators)
        state = (free, people, census.finished, room.status.name, room.epoch, second)
        if self._told.get(room.id) == state and not room.seated and not room.made_for:
            return None
        self._told[room.id] = state
        seated, room.seated = tuple(room.seated), []
        made_for, room.made_for = tuple(room.made_for), []
        return replace(self._describe(room), free=free, seated=seated, made_for=made_for)

    def _describe(self, room: RoomHandle) -> Listing:
        about = _about(room, LIVE, self._clock.wall_s())
        return Listing(room.id, meta_key(room.meta), 0, self._name, about)


def _free_seats(room: RoomHandle) -> int:
    """The seats a room offers to players who do not mind which room they join.

    They are counted by the committed rows: a seat that is asked for is promised by the directory
    until the row is announced together with its nonce, and would be counted twice.
    """
    if room.finished or not room.open_to_join:
        return 0
    return max(0, room.game.seats - room.census.players)


def _about(room: RoomHandle, state: str, wall_s: float) -> bytes:
    census = room.census
    status = state if state == ASLEEP else room.status.name.lower()
    return pack(
        [
            room.meta.encode(),
            status,
            room.epoch,
            _free_seats(room),
            [census.tick, census.players, census.bots, census.spectators],
            census.finished,
            census.tick_s,
            wall_s,
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
                *_,
            ]:
                census = Census(tick, players, bots, spectators, finished, tick_s)
                kept = RoomMeta.decode(meta)
                return Listed(listing.room, listing.owner, kept, epoch, status, free, census)
            case _:
                return None
    except (ValueError, LeftAlone):
        return None


def told_at(listing: Listing) -> float:
    """When a listing was last told, in seconds since 1970; 0 for one that cannot be read."""
    try:
        match unpack_stored(listing.about):
            case [_, _, _, _, _, _, _, float(wall_s), *_]:
                return wall_s
            case _:
                return 0.0
    except ValueError:
        return 0.0
