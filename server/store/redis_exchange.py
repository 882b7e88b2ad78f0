"""The exchange through a Redis: news and letters by publishing, the directory by scripts.

Two connections of its own: what is said and asked goes by one, what is heard comes by the other. A
room's channels carry its hash tag, so that they lie in the slot of its keys. Redis knows no numbers
of databases where it publishes, so the channels name theirs:
```
{PREFIX:ROOM}:news:DB      {PREFIX:NAME}:letters:DB
```
A letter is published as it is, and may be lost while a connection is made anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from server.store.base import check_room
from server.store.exchange import Gap, Listing, News, NoSeat, Process
from server.store.redis_address import Address
from server.store.redis_connection import ANSWER_S
from server.store.redis_directory import RedisDirectory
from server.store.redis_ear import Ear, Hearing
from server.store.redis_news import pack_news, unpack_news
from server.store.redis_nodes import Nodes
from server.store.redis_speaker import Speaker


class RedisExchange:
    """An `Exchange` in the Redis at `address`.

    `chance` gives random bytes. `now` is the directory's clock in seconds; None, as it should be
    where several processes share the Redis, takes its own. `answer_s` is how long the Redis may be
    silent before it counts as away.
    """

    def __init__(
        self,
        address: Address,
        chance: Callable[[int], bytes],
        log: logging.Logger,
        now: Callable[[], float] | None = None,
        *,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._address = address
        self._log = log
        self._nodes = Nodes(address, answer_s)
        self._speaker = Speaker(self._nodes, answer_s, chance, log)
        self._ear = Ear(self._nodes, answer_s, chance, log)
        self._directory = RedisDirectory(address, self._speaker, now)

    async def open(self) -> None:
        try:
            await self._nodes.open()
            await self._speaker.open()
            await self._ear.open()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        await self._nodes.close()
        await self._ear.close()
        await self._speaker.close()

    def tell(self, news: Sequence[tuple[str, News]]) -> None:
        for room, one in news:
            self._speaker.publish(self._channel(room, "news"), pack_news(one))

    async def follow(self, room: str, hear: Callable[[News | Gap], None]) -> Hearing:
        check_room(room)
        channel = self._channel(room, "news")
        ignored = False

        def heard(message: bytes) -> None:
            nonlocal ignored
            try:
                news = unpack_news(message)
            except ValueError as error:
                if not ignored:
                    ignored = True
                    self._log.warning("what else is sent to %s is ignored: %s", channel, error)
            else:
                hear(news)

        return await self._ear.hear(channel, heard, lambda: hear(Gap()))

    def post(self, name: str, letter: bytes) -> None:
        self._speaker.publish(self._channel(name, "letters"), letter)

    async def listen(self, name: str, hear: Callable[[bytes], None]) -> Hearing:
        return await self._ear.hear(self._channel(name, "letters"), hear, lambda: None)

    async def beat(self, process: Process) -> None:
        await self._directory.beat(process)

    async def depart(self, name: str) -> None:
        await self._directory.depart(name)

    async def processes(self) -> list[Process]:
        return await self._directory.processes()

    async def mark_stuck(self, owner: str, room: str, seconds: float) -> None:
        await self._directory.mark_stuck(owner, room, seconds)

    async def stuck_in(self, owner: str) -> str:
        return await self._directory.stuck_in(owner)

    async def announce(self, listings: Sequence[Listing]) -> None:
        await self._directory.announce(listings)

    async def delist(self, room: str) -> None:
        await self._directory.delist(room)

    async def listings(self, key: str | None = None) -> list[Listing]:
        return await self._directory.listings(key)

    async def find_seat(
        self, key: str, nonce: bytes, process: str = "", excluding: Sequence[str] = ()
    ) -> str | NoSeat:
        return await self._directory.find_seat(key, nonce, process, excluding)

    def _channel(self, name: str, what: str) -> bytes:
        return self._address.room_key(name, f"{what}:{self._address.db}")
