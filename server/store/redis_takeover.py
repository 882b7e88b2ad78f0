"""Taking over a room, and reading the end of its journal, in one small round trip each.

Both go by the journal's connection, which is never busy with a checkpoint: players see a room stand
still until its follower has taken it over. The records held are sent only to a Redis that has lost
them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from server.store.base import Held, Tail, Taken
from server.store.redis_address import Address
from server.store.redis_answers import Answer, has_result, owner_before, read_takeover, refused
from server.store.redis_errors import damaged
from server.store.redis_journal import Journal
from server.store.redis_scripts import Script, Scripts
from shared.columns import is_list


class Takeovers:
    """`take_over` and `tail` of a `Store`; `listed` is awaited for a room that has a result.

    `moved` hears of a room's owner before and now.
    """

    def __init__(
        self,
        address: Address,
        scripts: Scripts,
        journal: Journal,
        wall_ms: Callable[[], int] | None,
        listed: Callable[[str], Awaitable[None]],
        moved: Callable[[str, str, str], None],
    ) -> None:
        self._address = address
        self._scripts = scripts
        self._journal = journal
        self._wall_ms = wall_ms
        self._listed = listed
        self._moved = moved

    async def take_over(
        self, room: str, owner: str, held: Held, *, blameless: bool
    ) -> Taken | Tail:
        """As `Store.take_over`; nothing changes hands while the replicas asked for are away.

        Their absence would otherwise look like an owner's death to each follower in turn, and the
        room like one that kills its owners.
        """
        await self._journal.assure(self._address.room_key(room, "room"))
        found = await self._try(room, owner, held, blameless)
        lost = held.tick - found.tick if isinstance(found, Tail) else 0
        if 0 < lost <= len(held.recent):
            pairs = (part for each in held.recent for part in (each.epoch, each.record))
            found = await self._try(room, owner, held, blameless, *pairs)
        return found

    async def tail(self, room: str, tick: int) -> Tail:
        """As `Store.tail`."""
        found = read_takeover(
            self._address, room, tick, await self._run(self._scripts.tail, room, tick)
        )
        assert isinstance(found, Tail), "the script has no other word"
        return found

    async def _try(
        self, room: str, owner: str, held: Held, blameless: bool, *pairs: int | bytes
    ) -> Taken | Tail:
        wall_ms = "" if self._wall_ms is None else self._wall_ms()
        answer = await self._run(
            self._scripts.take_over,
            room,
            owner,
            wall_ms,
            held.epoch,
            held.tick,
            int(blameless),
            *pairs,
        )
        found = read_takeover(self._address, room, held.tick, answer)
        if isinstance(found, Taken):
            self._journal.acquired(room, found.epoch, held.tick, owner, held.recent)
            self._moved(room, owner_before(answer), owner)
            if has_result(answer):
                await self._listed(room)
        return found

    async def _run(self, script: Script, room: str, *arguments: str | bytes | int) -> Answer:
        answer = await self._journal.run(script, room, *arguments)
        if not is_list(answer):
            raise damaged(self._address, room, b"a script answered with no list")
        if error := refused(self._address, room, 0, answer):
            raise error
        return answer
