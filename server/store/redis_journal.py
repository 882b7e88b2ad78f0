"""Appends to Redis streams: all ticks of a batch in one write on one explicit connection.

In a cluster there is one such connection a node, and a batch is one write to each node that keeps
rooms of it.

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
    Record,
    StoreCorrupt,
    StoreUnavailable,
)
from server.store.redis_address import Address
from server.store.redis_connection import Connection, Reply
from server.store.redis_each import EachNode
from server.store.redis_errors import damaged
from server.store.redis_known import Known, KnownRooms
from server.store.redis_node import Node
from server.store.redis_nodes import Nodes
from server.store.redis_scripts import ROOM_KEYS, Script, Scripts
from shared.errors import StoreError

Outcomes = list[StoreError | None]


class _Batch:
    """What one node is asked to append: the entries, how each was sent, and what came of it."""

    __slots__ = ("answer", "connection", "entries", "node", "outcomes", "plain", "unsettled")

    def __init__(self, node: Node, connection: Connection, entries: Sequence[Append]) -> None:
        self.node = node
        self.connection = connection
        self.entries = tuple(entries)
        # The room of each XADD; None where a script was sent.
        self.plain: list[Known | None] = []
        self.outcomes: Outcomes = [None] * len(entries)
        # Entries that must be asked about again, by their place.
        self.unsettled: list[int] = []
        self.answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Journal:
    """The journals of all rooms; `listed` is awaited for each room whose result is committed.

    `results_ms` is how long a room's results are kept after the last of them.
    """

    def __init__(
        self,
        nodes: Nodes,
        scripts: Scripts,
        answer_s: float,
        listed: Callable[[str], Awaitable[None]],
        results_ms: int,
    ) -> None:
        self.rooms = KnownRooms(nodes.address)
        self._address = nodes.address
        self._nodes = nodes
        self._scripts = scripts
        self._listed = listed
        self._results_ms = results_ms
        self._each = EachNode(nodes, lambda node: Node(node, answer_s, nodes), Node.close)

    async def open(self) -> None:
        """Connect to every node; raise `StoreUnavailable` saying why that cannot be."""
        for node in self._each.all():
            await node.connected()

    async def close(self) -> None:
        """Let what is open be answered, and forget every room."""
        await self._each.close()
        self.rooms.forget_all()

    async def append(self, entries: Sequence[Append]) -> Outcomes:
        """Commit a batch, as `Store.append` says."""
        if len(self._nodes.all) == 1:
            return await self._append(self._each.at(self._nodes.all[0]), entries)
        placed = self._placed(entries)
        answers = await asyncio.gather(
            *(
                self._append(self._each.at(address), [entries[place] for place in places])
                for address, places in placed.items()
            ),
            return_exceptions=True,
        )
        outcomes: Outcomes = [None] * len(entries)
        for places, answer in zip(placed.values(), answers, strict=True):
            if isinstance(answer, BaseException):
                # The others' entries are committed; they are recognised when all is repeated.
                raise answer
            for place, outcome in zip(places, answer, strict=True):
                outcomes[place] = outcome
        return outcomes

    async def run(self, script: Script, room: str, *arguments: str | bytes | int) -> Reply:
        """Run a script on a room's keys, in line with the appends: one round trip."""
        node = self._node_of(room)
        connection = await node.connected()
        return await node.asked(connection, self._script(script, room, *arguments))

    def acquired(
        self, room: str, epoch: int, tick: int, owner: str, recent: Sequence[Record] = ()
    ) -> None:
        """The Redis has just answered that a room has this epoch, and that its journal ends there.

        Should it not be the same Redis when the room is appended to, its connection has broken.
        """
        known = self.rooms.acquired(room, epoch, tick, owner, recent)
        if known.epoch == epoch:
            known.sure_on = self._node_of(room).connection

    async def assure(self, *keys: bytes) -> None:
        """Wait until as many replicas as are asked for have all that was written so far.

        That is, at the nodes of these keys, or at all of them. Raises `StoreUnavailable` where they
        do not come by in time. Where no replica is asked for, this does nothing.
        """
        if not self._address.durable:
            return
        for node in {self._each.of(key) for key in keys} or self._each.all():
            await node.replies(await node.connected())

    async def _append(self, node: Node, entries: Sequence[Append]) -> Outcomes:
        connection = await node.connected()
        batch = _Batch(node, connection, entries)
        commands = [self._command(batch, entry) for entry in batch.entries]
        commands += node.durable.behind(wrote=None not in batch.plain)
        connection.ask(commands, partial(self._answered, batch))
        await batch.answer
        for place in batch.unsettled:
            batch.outcomes[place] = await self._settle(batch, batch.entries[place])
        for entry, outcome in zip(batch.entries, batch.outcomes, strict=True):
            if entry.result is not None and outcome is None:
                await self._listed(entry.room)
        return batch.outcomes

    def _placed(self, entries: Sequence[Append]) -> dict[Address, list[int]]:
        """Which node commits which entries, by their places in the batch."""
        placed: dict[Address, list[int]] = {}
        for place, entry in enumerate(entries):
            address = self._nodes.of(self._address.room_key(entry.room, "journal"))
            placed.setdefault(address, []).append(place)
        return placed

    def _node_of(self, room: str) -> Node:
        return self._each.of(self._address.room_key(room, "journal"))

    def _command(self, batch: _Batch, entry: Append) -> bytes:
        known = self.rooms.get(entry.room)
        if known is None or not known.admits(entry, batch.connection):
            batch.plain.append(None)
            return self._scripted(entry)
        known.open = True
        batch.plain.append(known)
        at = b"%d-%d" % (entry.epoch, entry.tick)
        return hiredis.pack_command((b"XADD", known.journal, b"NOMKSTREAM", at, b"d", entry.record))

    def _scripted(self, entry: Append) -> bytes:
        result: list[bytes | int] = []
        if entry.result is not None:
            result = [entry.result, entry.match, self._results_ms]
        return self._script(
            self._scripts.append, entry.room, entry.epoch, entry.tick, entry.record, *result
        )

    def _script(self, script: Script, room: str, *arguments: str | bytes | int) -> bytes:
        # By its text: one that Redis does not know would be judged after those behind it.
        keys = [self._address.room_key(room, name) for name in ROOM_KEYS]
        return hiredis.pack_command((b"EVAL", script.text, len(keys), *keys, *arguments))

    def _answered(self, batch: _Batch, replies: list[Reply] | StoreUnavailable) -> None:
        """Judge a batch, unless too few replicas have it."""
        if isinstance(replies, list):
            short = batch.node.durable.judge(replies, len(batch.entries))
            if short is not None:
                batch.connection.drop(short)
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
                    known.sure_on = None
                    batch.unsettled.append(place)
            elif self._is_final(entry, reply):
                batch.outcomes[place] = self._outcome(batch.connection, entry, reply)
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

    def _outcome(self, connection: Connection, entry: Append, reply: Reply) -> StoreError | None:
        """What the script's answer, by this connection, means for an entry."""
        match reply:
            case [b"ok", bytes(last)]:
                self.rooms.ends(entry, int(last), connection)
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

    async def _settle(self, batch: _Batch, entry: Append) -> StoreError | None:
        """Ask the script about an entry; where the journal's end is missing, bring it up first."""
        node, connection = batch.node, batch.connection
        try:
            reply = await node.asked(connection, self._scripted(entry))
            known = self.rooms.of(entry)
            if known is not None and not self._is_final(entry, reply):
                await node.asked(connection, self._repair(entry.room, known))
                reply = await node.asked(connection, self._scripted(entry))
        except StoreCorrupt as error:
            return error
        return self._outcome(connection, entry, reply)

    def _repair(self, room: str, known: Known) -> bytes:
        """To append again what this Redis does not have any more; it refuses what does not fit."""
        first = known.recent[0].tick if known.recent else known.tick + 1
        pairs = (part for each in known.recent for part in (each.epoch, each.record))
        return self._script(self._scripts.repair, room, known.epoch, known.owner, first, *pairs)
