"""Keys that hold something foreign or damaged: said of the room they belong to, and of no other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from server.store.base import NoSuchRoom, Status, StoreCorrupt
from server.store.redis import RedisStore
from server.store.redis_address import Address
from shared.errors import StoreError
from tests.server.store.backends import OTHER, ROOM, Place, committed, entry, kinds, owned, ticks
from tests.server.store.redis_ways import ask


@pytest.fixture
def address(place: Place) -> Address:
    return place.address()


@pytest.fixture
async def store(address: Address) -> AsyncIterator[RedisStore]:
    made = RedisStore(address)
    await made.open()
    yield made
    await made.close()


async def _room(store: RedisStore, room: str = ROOM) -> int:
    """A room with all its keys: five ticks, two checkpoints."""
    epoch = await owned(store, room)
    await committed(store, epoch, range(1, 6), room)
    await store.checkpoint(room, epoch, 1, b"one")
    await store.checkpoint(room, epoch, 3, b"three")
    return epoch


async def _refusals(store: RedisStore, epoch: int) -> list[StoreError]:
    """What each way to the room says: load, acquire, append."""
    refusals: list[StoreError] = []
    for call in (store.load(ROOM), store.acquire(ROOM, "b")):
        try:
            await call
        except StoreError as error:
            refusals.append(error)
    (outcome,) = await store.append([entry(epoch, 6)])
    return [*refusals, *([] if outcome is None else [outcome])]


@pytest.mark.parametrize("name", ["room", "journal", "newest", "older"])
async def test_a_foreign_key_in_a_rooms_place_is_the_harm_of_that_room_alone(
    store: RedisStore, place: Place, address: Address, name: str
) -> None:
    server = place.valkey()
    epoch, other = await _room(store), await _room(store, OTHER)
    key = address.room_key(ROOM, name)
    await ask(server, "DEL", key)
    await ask(server, "LPUSH", key, "foreign")
    with pytest.raises(StoreCorrupt, match="foreign"):
        await store.load(ROOM)
    if name in {"room", "journal"}:
        outcomes = await store.append([entry(epoch, 6), entry(other, 6, OTHER)])
        # An XADD looks at the journal alone; without its room it is of use to nobody, nor harm.
        assert kinds(outcomes) == [StoreCorrupt if name == "journal" else None, None]
        assert [(each.room, each.status) for each in await store.rooms()] == [
            (ROOM, Status.LIVE),
            (OTHER, Status.LIVE),
        ]
    else:
        with pytest.raises(StoreCorrupt, match="foreign"):
            await store.checkpoint(ROOM, epoch, 5, b"")
    assert await ask(server, "LRANGE", key, 0, -1) == [b"foreign"]
    assert (await ticks(store, OTHER))[-1] >= 5


DAMAGE: list[tuple[str, Sequence[str | int], str]] = [
    ("room", ["HSET", "{key}", "epoch", "many"], "fields are incomplete"),
    ("room", ["HSET", "{key}", "epoch", "-1"], "fields are incomplete"),
    ("room", ["HDEL", "{key}", "epoch"], "fields are incomplete"),
    ("room", ["HDEL", "{key}", "meta"], "fields are incomplete"),
    ("room", ["HSET", "{key}", "status", "dreaming"], "its status is dreaming"),
    ("journal", ["DEL", "{key}"], "journal is gone"),
    ("journal", ["XTRIM", "{key}", "MAXLEN", "0"], "journal is gone"),
    ("journal", ["XDEL", "{key}", "{epoch}-4"], "a hole or a foreign entry at"),
    ("journal", ["XADD", "{key}", "9999999999999-7", "d", "x"], "a hole or a foreign entry at"),
    ("journal", ["XADD", "{key}", "9999999999999-6", "e", "x"], "ends with a foreign entry"),
    ("journal", ["XADD", "{key}", "9999999999999-0", "d", "x"], "ends with a foreign entry"),
    ("journal", ["XADD", "{key}", "9999999999999-0", "base", "x"], "ends with a foreign entry"),
    ("newest", ["HDEL", "{key}", "blob"], "a checkpoint of it is incomplete"),
    ("older", ["HSET", "{key}", "tick", "first"], "a checkpoint of it is incomplete"),
    ("older", ["HSET", "{key}", "epoch", "-5"], "a checkpoint of it is incomplete"),
]


@pytest.mark.parametrize(("name", "command", "said"), DAMAGE)
async def test_a_damaged_room_is_not_loaded_and_says_how(
    store: RedisStore,
    place: Place,
    address: Address,
    name: str,
    command: Sequence[str | int],
    said: str,
) -> None:
    server = place.valkey()
    epoch, _ = await _room(store), await _room(store, OTHER)
    key = address.room_key(ROOM, name).decode()
    words = [str(word).replace("{key}", key).replace("{epoch}", str(epoch)) for word in command]
    assert await ask(server, *words) is not None
    refusals = await _refusals(store, epoch)
    assert isinstance(refusals[0], StoreCorrupt)
    assert said in str(refusals[0])
    assert ROOM in str(refusals[0])
    assert "it was left as it is" in str(refusals[0])
    assert len(await store.rooms()) == 2
    assert await ticks(store, OTHER) == [2, 3, 4, 5]


async def test_names_in_the_lists_that_are_no_rooms_are_passed_over(
    store: RedisStore, place: Place, address: Address
) -> None:
    server = place.valkey()
    epoch = await _room(store)
    await store.append([entry(epoch, 6, result="won")])
    foreign = [b"room{x}", b"\xff\x00", b"", b"abcdefgh", b"A" * 9]
    await ask(server, "SADD", address.key("rooms"), *foreign)
    for name in foreign:
        await ask(server, "ZADD", address.key("results"), 9 * 10**15, name)
    assert [each.room for each in await store.rooms()] == [ROOM]
    assert [room for room, _ in await store.results(9)] == [ROOM]


async def test_a_room_that_was_closed_while_its_process_died_is_not_listed(
    store: RedisStore, place: Place, address: Address
) -> None:
    server = place.valkey()
    epoch = await _room(store)
    await store.set_status(ROOM, epoch, Status.CLOSED)
    await ask(server, "SADD", address.key("rooms"), ROOM)
    assert await store.rooms() == []
    with pytest.raises(NoSuchRoom):
        await store.acquire(ROOM, "b")


async def test_two_prefixes_share_nothing(address: Address) -> None:
    names = [address.prefix, address.prefix + "-x"]
    stores = [RedisStore(Address(address.host, address.port, prefix=name)) for name in names]
    for number, store in enumerate(stores):
        await store.open()
        epoch = await owned(store)
        await store.append([entry(epoch, 1 + number, result=str(number))])
    for number, store in enumerate(stores):
        assert await ticks(store) == [1 + number]
        assert await store.results(9) == [(ROOM, str(number).encode())]
        await store.close()
