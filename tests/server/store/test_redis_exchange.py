"""The exchange through a Redis that hangs, dies, refuses or is talked into by strangers."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

import msgpack
import pytest

from server.store import redis_voice
from server.store.base import Held, Record, StoreUnavailable, Taken
from server.store.exchange import PROCESS_TTL_S, Gap, Listing, News, Process
from server.store.redis import RedisStore
from server.store.redis_address import Address
from server.store.redis_exchange import RedisExchange
from server.store.redis_news import pack_news
from shared.limits import INTEGER_MAX
from tests.server.store.backends import LOG, OTHER, ROOM, owned
from tests.server.store.proxy import Proxy, proxied
from tests.server.store.redis_ways import ANSWER_S, ask, at_last, calls, heard, until
from tests.server.store.valkey import Valkey, running

NEWS = [Record(1, tick, b"%d" % tick) for tick in range(1, 10)]
CHANNEL = b"{holdfast:room00000001}:news:0"
A_PROCESS = Process("a", 1, open=True, games=("arena",))


@asynccontextmanager
async def exchange(port: int, **given: str | int) -> AsyncGenerator[RedisExchange]:
    address = Address("127.0.0.1", port, **given)  # type: ignore[arg-type]
    made = RedisExchange(address, random.Random(1).randbytes, LOG, answer_s=ANSWER_S)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


async def test_after_a_cut_every_follower_hears_a_gap_and_then_all_news(
    own: Valkey, proxy: Proxy
) -> None:
    async with exchange(own.port) as teller, exchange(proxy.port) as follower:
        found: list[News | Gap] = []
        twice: list[News | Gap] = []
        other: list[News | Gap] = []
        letters: list[bytes] = []
        await follower.follow(ROOM, found.append)
        await follower.follow(ROOM, twice.append)
        await follower.follow(OTHER, other.append)
        await follower.listen("name", letters.append)
        teller.tell([(ROOM, NEWS[0])])
        await heard(lambda: found == NEWS[:1])
        proxy.cut()
        teller.tell([(ROOM, NEWS[1])])
        await heard(lambda: Gap() in found and Gap() in twice and Gap() in other)
        teller.tell([(ROOM, NEWS[2]), (OTHER, NEWS[3])])
        teller.post("name", b"letter")
        await heard(lambda: NEWS[2] in found and NEWS[3] in other and letters == [b"letter"])
        assert found[0] == NEWS[0]
        assert found[-2:] == twice[-2:] == [Gap(), NEWS[2]]
        assert other == [Gap(), NEWS[3]]
        assert await ask(own, "PUBSUB", "NUMSUB", CHANNEL) == [CHANNEL, 1]


async def test_a_redis_that_dies_is_found_again(own: Valkey) -> None:
    async with exchange(own.port) as one:
        found: list[News | Gap] = []
        await one.follow(ROOM, found.append)
        own.kill()
        await until_away(one)
        with pytest.raises(StoreUnavailable, match="is away"):
            await one.follow(OTHER, found.append)
        one.tell([(ROOM, NEWS[0])])
        own.restart()
        await heard(lambda: found == [Gap()])
        await at_last(lambda: one.beat(A_PROCESS))
        one.tell([(ROOM, NEWS[1])])
        await heard(lambda: found == [Gap(), NEWS[1]])


async def until_away(one: RedisExchange) -> None:
    """Wait until both connections are known to be broken."""

    async def away() -> bool:
        refused = 0
        for call in (one.processes, lambda: one.listen("name", lambda _: None)):
            try:
                await call()
            except StoreUnavailable:
                refused += 1
        return refused == 2

    await until(away)


async def test_a_redis_that_hangs_is_noticed_by_who_only_listens(own: Valkey) -> None:
    async with exchange(own.port) as one:
        found: list[News | Gap] = []
        await one.follow(ROOM, found.append)
        with own.stopped():
            await until_away(one)
        await heard(lambda: found == [Gap()])


async def test_a_follower_is_not_told_before_the_redis_has_confirmed(
    own: Valkey, proxy: Proxy
) -> None:
    async with exchange(own.port) as teller, exchange(proxy.port) as follower:
        found: list[News | Gap] = []
        proxy.asking.clear()
        following = asyncio.ensure_future(follower.follow(ROOM, found.append))
        also = asyncio.ensure_future(follower.follow(ROOM, found.append))
        await asyncio.sleep(0.05)
        assert not following.done()
        teller.tell([(ROOM, NEWS[0])])
        await teller.processes()
        also.cancel()
        proxy.asking.set()
        await following
        teller.tell([(ROOM, NEWS[1])])
        await heard(lambda: found == NEWS[1:2])


async def test_who_waits_for_a_confirmation_hears_that_the_connection_broke(proxy: Proxy) -> None:
    async with exchange(proxy.port) as follower:
        proxy.asking.clear()
        following = asyncio.ensure_future(follower.follow(ROOM, lambda _: None))
        await asyncio.sleep(0.05)
        proxy.cut()
        with pytest.raises(StoreUnavailable, match="is away"):
            await following
        proxy.asking.set()
        await at_last(lambda: follower.follow(ROOM, lambda _: None))


HOSTILE = [
    b"",
    b"\xc1",
    b"hello",
    b"\xdd\xff\xff\xff\xff",
    b"\x91" * 2000,
    *map(
        msgpack.packb,
        (
            [],
            [9, 1, 1, b""],
            [0, 1, 1],
            [0, 1, 1, b"", 0],
            [0, 1, 1, "text"],
            [0, True, 1, b""],
            [0, -1, 1, b""],
            [0, 1, INTEGER_MAX + 1, b""],
            [0, 1.5, 1, b""],
            [False, 1, 1, b""],
            [1, 1, 1, b"owner"],
            [2, 1, 1, -1, ""],
            [3, 1, None, ""],
            {"kind": 0},
            msgpack.ExtType(1, b"x"),
        ),
    ),
    b"\x94\x03\x01\x01\xa1\xff",
]


async def test_what_strangers_publish_is_logged_once_and_ignored(
    own: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    async with exchange(own.port) as one:
        found: list[News | Gap] = []
        await one.follow(ROOM, found.append)
        for message in HOSTILE:
            await ask(own, "PUBLISH", CHANNEL, message)
            await ask(own, "PUBLISH", CHANNEL, message + b"\x00")
        await ask(own, "PUBLISH", CHANNEL, pack_news(NEWS[0]))
        await heard(lambda: bool(found))
        assert found == NEWS[:1]
        assert caplog.text.count("is ignored") == 1
        assert "room00000001" in caplog.text


async def test_what_strangers_wrote_into_the_directory_is_left_out(own: Valkey) -> None:
    async with exchange(own.port) as one:
        listing = Listing(ROOM, "arena", 1, "a", b"")
        await one.announce([listing])
        await one.beat(A_PROCESS)
        for number, kept in enumerate(HOSTILE):
            await ask(own, "HSET", "{holdfast}:listings", f"stranger{number}", kept)
            await ask(own, "HSET", "{holdfast}:processes", f"stranger{number}", kept)
        assert await one.listings() == [listing]
        assert await one.processes() == [A_PROCESS]
        await ask(own, "ZADD", "{holdfast}:seats:arena", 1, "NO ROOM")
        with pytest.raises(StoreUnavailable, match="no Holdfast wrote"):
            await one.find_seat("arena", b"n")
        await ask(own, "SET", "{holdfast}:listings", "text")
        with pytest.raises(StoreUnavailable, match="something foreign"):
            await one.listings()
        assert await one.processes() == [A_PROCESS]


async def test_what_is_told_in_one_turn_of_the_loop_is_one_write(own: Valkey) -> None:
    async with exchange(own.port) as one:
        found: list[News | Gap] = []
        await one.follow(ROOM, found.append)
        before = await calls(own, "publish")
        reads = await _reads(own)
        for news in NEWS * 20:
            one.tell([(ROOM, news)])
        one.post("name", b"letter")
        await heard(lambda: len(found) == len(NEWS) * 20)
        assert await calls(own, "publish") == before + len(NEWS) * 20 + 1
        # Two each are those of the questions, and the listener's PINGs may be among them.
        assert await _reads(own) - reads < 12


async def _reads(own: Valkey) -> int:
    found = cast("dict[str, int]", await ask(own, "INFO", "stats"))
    return found["total_reads_processed"]


async def test_what_cannot_be_sent_is_lost_and_said_once(
    own: Valkey, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(redis_voice, "BACKLOG_BYTES_MAX", 1_000_000)
    async with exchange(own.port) as hearer, exchange(proxy.port) as teller:
        found: list[bytes] = []
        await hearer.listen("name", found.append)
        proxy.asking.clear()
        backlogs: list[int] = []
        for number in range(400):
            teller.post("name", b"%d" % number + bytes(50_000))
            await asyncio.sleep(0)
            [voice] = teller._speaker.voices.all()
            connection = voice.link.connection
            backlogs.append(connection.backlog if connection is not None else 0)
        assert max(backlogs) < 1_000_000 + 60_000
        assert caplog.text.count("it is lost") == 1
        proxy.asking.set()
        await at_last(teller.processes)
        teller.post("name", b"last")
        await heard(lambda: found[-1:] == [b"last"])
        assert 0 < len(found) < 400
        assert "were lost" in caplog.text


async def test_two_prefixes_and_two_databases_hear_nothing_of_each_other(own: Valkey) -> None:
    async with (
        exchange(own.port) as one,
        exchange(own.port, prefix="other") as other,
        exchange(own.port, db=1) as another,
    ):
        found: list[bytes] = []
        for each in (other, another):
            await each.listen("name", lambda _: found.append(b"wrong"))
        await one.listen("name", found.append)
        await one.announce([Listing(ROOM, "arena", 1, "a", b"")])
        one.post("name", b"letter")
        await heard(lambda: bool(found))
        assert await other.listings() == await another.listings() == []
        await other.processes()
        assert found == [b"letter"]


async def test_the_directory_goes_by_the_clock_of_the_redis(own: Valkey) -> None:
    async with exchange(own.port) as one:
        await one.beat(A_PROCESS)
        seconds, _ = cast("tuple[int, int]", await ask(own, "TIME"))
        until_ms = cast("float", await ask(own, "ZSCORE", "{holdfast}:beats", "a"))
        assert abs(until_ms / 1000 - seconds - PROCESS_TTL_S) < 5
        assert await one.processes() == [A_PROCESS]
        # As if it had last beaten that long ago.
        await ask(own, "ZINCRBY", "{holdfast}:beats", int(-PROCESS_TTL_S * 1000), "a")
        assert await one.processes() == []
        assert await ask(own, "HLEN", "{holdfast}:processes") == 0


async def test_a_user_who_may_not_publish_or_subscribe_is_told(
    own: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    await ask(own, "ACL", "SETUSER", "mute", "on", ">secret", "~*", "+@all", "resetchannels")
    async with exchange(own.port, user="mute", password="secret") as one:
        one.tell([(ROOM, NEWS[0])])
        await one.processes()
        assert caplog.text.count("does not permit") == 1
        with pytest.raises(StoreUnavailable):
            await one.follow(ROOM, lambda _: None)
        assert "secret" not in caplog.text


async def test_a_user_without_config_and_client_is_enough(own: Valkey) -> None:
    await ask(own, "ACL", "SETUSER", "plain", "on", ">secret", "~{holdfast*", "resetchannels")
    await ask(own, "ACL", "SETUSER", "plain", "&{holdfast*", "+@all", "-config", "-client")
    address = Address("127.0.0.1", own.port, user="plain", password="secret")
    store = RedisStore(address)
    await store.open()
    epoch = await owned(store)
    assert isinstance(await store.take_over(ROOM, "heir", Held(epoch, 0)), Taken)
    await store.close()
    async with exchange(own.port, user="plain", password="secret") as one:
        found: list[News | Gap] = []
        await one.follow(ROOM, found.append)
        one.tell([(ROOM, NEWS[0])])
        await heard(lambda: found == NEWS[:1])
        await one.announce([Listing(ROOM, "arena", 1, "a", b"")])
        assert await one.find_seat("arena", b"n") == ROOM


async def test_an_exchange_that_is_not_open_says_so_and_opens_again(own: Valkey) -> None:
    async with exchange(own.port) as one:
        await one.open()
        await one.close()
        await one.close()
        one.tell([(ROOM, NEWS[0])])
        for call in (one.processes(), one.follow(ROOM, lambda _: None)):
            with pytest.raises(StoreUnavailable, match="not open"):
                await call
        await one.open()
        assert await one.processes() == []


async def test_where_nothing_listens_opening_says_so() -> None:
    made = RedisExchange(Address("127.0.0.1", 1), random.Random(1).randbytes, LOG)
    with pytest.raises(StoreUnavailable, match="no Redis is to be reached"):
        await made.open()


async def test_two_processes_beside_a_proxy_of_tls_or_password_need_nothing_else(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with running(tmp_path_factory.mktemp("locked"), password="secret") as server:
        async with proxied(server.port) as proxy, exchange(proxy.port, password="secret") as one:
            await one.beat(A_PROCESS)
            proxy.cut()
            await at_last(lambda: one.beat(A_PROCESS))
            assert await one.processes() == [A_PROCESS]
