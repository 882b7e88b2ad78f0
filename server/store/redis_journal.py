"""Appends to Redis streams: all ticks of a batch in one write on one explicit connection.

A room whose last tick is sure (see `redis_known`) is appended to with a plain

    XADD {prefix:ROOM}:journal NOMKSTREAM <epoch>-<tick> d <record>

Redis itself refuses an id that does not exceed the stream's last, and whoever acquires a room
writes `<new epoch>-0`: so a stale owner is refused by the stream, without a script, on whatever
connection and however late its command arrives. NOMKSTREAM keeps a late append from making a
deleted journal anew, without its fence.

Everything else goes through the script `append`, in the same write. It judges inside Redis and
recognises repetitions; so the first append of a room on a new connection is verified before it is
written. At most one XADD of a room is open at a time: one that failed for want of memory must not
be followed by one that did not.

A Redis that comes back without the end of a journal, as one may that was killed between two writes
of its file, is brought up by the script `repair` from the owner's last records.

Where the address asks for replicas (see `redis_durable`), nothing counts before they have it. Too
few of them break the connection: what waits behind would only wait in vain, and every room is asked
about again, so that the tick that was written after all is recognised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import hiredis

from server.store.base import (
    Append,
    Fenced,
    NoSuchRoom,
    OutOfOrder,
    StoreCorrupt,
    StoreUnavailable,
)
from server.store.redis_address import Address
from server.store.redis_connection import Connection, Reply, connect
from server.store.redis_durable import Durable
from server.store.redis_errors import damaged, refusal
from server.store.redis_known import Known, KnownRooms
from server.store.redis_scripts import Script, Scripts
from shared.errors import StoreError

Outcomes = list[StoreError | None]


class _Batch:
    """One call of `append`: its entries, how each was sent, and what came of it."""

    __slots__ = ("answer", "entries", "outcomes", "plain", "unsettled")

    def __init__(self, entries: Sequence[Append]) -> None:
        self.entries = tuple(entries)
        # The room of each XADD; None where a script was sent.
        self.plain: list[Known | None] = []
        self.outcomes: Outcomes = [None] * len(entries)
        # Entries that must be asked about again, by their place.
        self.unsettled: list[int] = []
        self.answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Journal:
    """The journals of all rooms; `listed` is awaited for each room whose result is committed."""

    def __init__(
        self,
        address: Address,
        scripts: Scripts,
        answer_s: float,
        listed: Callable[[str], Awaitable[None]],
    ) -> None:
        self.rooms = KnownRooms(address)
        self._address = address
        self._scripts = scripts
        self._answer_s = answer_s
        self._durable = Durable(address, answer_s)
        self._listed = listed
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[Connection] | None = None

    async def open(self) -> None:
        """Connect; raise `StoreUnavailable` saying why that cannot be."""
        await self._connected()

    async def close(self) -> None:
        """Let what is open be answered, and forget every room."""
        if self._connecting is not None:
            await asyncio.wait([self._connecting])
        if self._connection is not None:
            await self._connection.finish()
            self._connection = None
        self.rooms.forget_all()

    async def append(self, entries: Sequence[Append]) -> Outcomes:
        """Commit a batch, as `Store.append` says."""
        connection = await self._connected()
        batch = _Batch(entries)
        commands = [self._command(batch, entry) for entry in batch.entries]
        commands += self._durable.behind(wrote=None not in batch.plain)
        connection.ask(commands, partial(self._answered, connection, batch))
        await batch.answer
        for place in batch.unsettled:
            batch.outcomes[place] = await self._settle(connection, batch.entries[place])
        for entry, outcome in zip(batch.entries, batch.outcomes, strict=True):
            if entry.result is not None and outcome is None:
                await self._listed(entry.room)
        return batch.outcomes

    async def run(self, script: Script, room: str, *arguments: str | bytes | int) -> Reply:
        """Run a script on a room's hash and journal, in line with the appends: one round trip."""
        connection = await self._connected()
        return await self._asked(connection, self._script(script, room, *arguments))

    async def assure(self) -> None:
        """Wait until as many replicas as are asked for have all that was written so far.

        Raises `StoreUnavailable` where they do not come by in time. Where none is asked for, this
        does nothing.
        """
        if self._durable.asked:
            await self._replies(await self._connected())

    async def _connected(self) -> Connection:
        """The connection, made anew where it is broken; callers share one attempt."""
        if self._connection is not None and not self._connection.broken:
            return self._connection
        if self._connecting is None:
            made = connect(self._address, self._answer_s, self.rooms.doubt)
            self._connecting = asyncio.get_running_loop().create_task(made)
            self._connecting.add_done_callback(self._made)
        return await asyncio.shield(self._connecting)

    def _made(self, connecting: asyncio.Task[Connection]) -> None:
        self._connecting = None
        if not connecting.cancelled() and connecting.exception() is None:
            self._connection = connecting.result()

    def _command(self, batch: _Batch, entry: Append) -> bytes:
        known = self.rooms.get(entry.room)
        if known is None or not known.admits(entry):
            batch.plain.append(None)
            return self._scripted(entry)
        known.open = True
        batch.plain.append(known)
        at = b"%d-%d" % (entry.epoch, entry.tick)
        return hiredis.pack_command((b"XADD", known.journal, b"NOMKSTREAM", at, b"d", entry.record))

    def _scripted(self, entry: Append) -> bytes:
        result = [] if entry.result is None else [entry.result]
        return self._script(
            self._scripts.append, entry.room, entry.epoch, entry.tick, entry.record, *result
        )

    def _script(self, script: Script, room: str, *arguments: str | bytes | int) -> bytes:
        # By its text: one that Redis does not know would be judged after those behind it.
        keys = (self._address.room_key(room, name) for name in ("room", "journal"))
        return hiredis.pack_command((b"EVAL", script.text, 2, *keys, *arguments))

    def _answered(
        self, connection: Connection, batch: _Batch, replies: list[Reply] | StoreUnavailable
    ) -> None:
        """Judge a batch, unless too few replicas have it."""
        if isinstance(replies, list):
            short = self._durable.judge(replies, len(batch.entries))
            if short is not None:
                connection.drop(short)
                replies = short
        self._judge(batch, replies)

    def _judge(self, batch: _Batch, replies: list[Reply] | StoreUnavailable) -> None:
        """Note what came of each entry, also when nobody waits for it any more."""
        answer = batch.answer
        if isinstance(replies, StoreUnavailable):
            for known in batch.plain:
                if known is not None:
                    known.open = False
            if not answer.done():
                answer.set_exception(replies)
            return
        for place, reply in enumerate(replies):
            entry, known = batch.entries[place], batch.plain[place]
            if known is not None:
                known.open = False
                if type(reply) is bytes:
                    known.committed(entry)
                else:
                    known.sure = False
                    batch.unsettled.append(place)
            elif self._is_final(entry, reply):
                batch.outcomes[place] = self._outcome(entry, reply)
            else:
                batch.unsettled.append(place)
        if not answer.done():
            answer.set_result(None)

    def _is_final(self, entry: Append, reply: Reply) -> bool:
        """Whether the script's answer is the last word: not an error, and no end is missing."""
        known = self.rooms.of(entry)
        match reply:
            case [b"fenced", bytes(now)]:
                return known is None or int(now) > entry.epoch
            case [b"order", bytes(last)]:
                return known is None or int(last) >= known.tick
            case _:
                return isinstance(reply, list)

    def _outcome(self, entry: Append, reply: Reply) -> StoreError | None:
        """What the script's answer means for an entry."""
        match reply:
            case [b"ok", bytes(last)]:
                self.rooms.ends(entry, int(last))
                return None
            case [b"gone"]:
                self.rooms.forget(entry.room)
                return NoSuchRoom(entry.room)
            case [b"fenced", bytes(now)]:
                if self.rooms.of(entry) is not None:
                    self.rooms.forget(entry.room)
                return Fenced(entry.room, entry.epoch, int(now))
            case [b"order", bytes(last)]:
                return OutOfOrder(
                    f"room {entry.room}: tick {entry.tick} does not follow {int(last)}"
                )
            case [b"corrupt", bytes(what)]:
                return damaged(self._address, entry.room, what)
            case _:
                return damaged(self._address, entry.room, b"a script answered otherwise")

    async def _settle(self, connection: Connection, entry: Append) -> StoreError | None:
        """Ask the script about an entry; where the journal's end is missing, bring it up first."""
        try:
            reply = await self._asked(connection, self._scripted(entry))
            known = self.rooms.of(entry)
            if known is not None and not self._is_final(entry, reply):
                await self._repair(connection, entry.room, known)
                reply = await self._asked(connection, self._scripted(entry))
        except StoreCorrupt as error:
            return error
        return self._outcome(entry, reply)

    async def _repair(self, connection: Connection, room: str, known: Known) -> None:
        """Append again what this Redis does not have any more; it refuses what does not fit."""
        first = known.recent[0].tick if known.recent else known.tick + 1
        pairs = (part for each in known.recent for part in (each.epoch, each.record))
        command = self._script(self._scripts.repair, room, known.epoch, known.owner, first, *pairs)
        await self._asked(connection, command)

    async def _asked(self, connection: Connection, command: bytes) -> Reply:
        """One reply; an error that is not about this room breaks the connection and is raised."""
        (reply,) = await self._replies(connection, command)
        if isinstance(reply, hiredis.ReplyError):
            error = refusal(self._address, str(reply))
            if isinstance(error, StoreUnavailable):
                connection.drop(error)
            raise error
        return reply

    async def _replies(self, connection: Connection, *commands: bytes) -> list[Reply]:
        """The replies to commands that may only have read, once the replicas have what they saw."""
        behind = self._durable.behind(wrote=False)
        replies = await connection.replies(*commands, *behind)
        if error := self._durable.judge(replies, len(commands)):
            connection.drop(error)
            raise error
        return replies
