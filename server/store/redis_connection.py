"""One connection to a Redis: questions out, replies in, in order; once broken, broken for good.

It speaks RESP 2, packed and parsed by hiredis (measured: 4 to 8 times cheaper than a client
library's pipeline). It never reconnects and repeats nothing: whoever holds it must know that what
was asked and not answered may or may not have happened.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, cast

import hiredis

from server.store.base import StoreUnavailable
from server.store.redis_address import Address
from server.store.redis_errors import refusal

ANSWER_S = 1.0
"""A Redis silent for longer is away: a player sees the room stand still, and should be told why."""

Reply = object
"""What hiredis makes of a reply: bytes, int, None, a list of them, or a `hiredis.ReplyError`."""

Then = Callable[[list[Reply] | StoreUnavailable], None]

_NOTHING: Final = object()


class _Question:
    """Commands that were written together, what came back so far, and who waits for it."""

    __slots__ = ("commands", "due_s", "replies", "then")

    def __init__(self, commands: int, due_s: float, then: Then) -> None:
        self.commands = commands
        self.due_s = due_s
        self.replies: list[Reply] = []
        self.then = then


class Connection(asyncio.Protocol):
    """Made by `connect`; `lost` is called once, when it breaks, before anybody is answered so."""

    def __init__(self, address: Address, answer_s: float, lost: Callable[[], None]) -> None:
        self._address = address
        self._answer_s = answer_s
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)
        self._questions: deque[_Question] = deque()
        self._transport: asyncio.Transport | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._broken: StoreUnavailable | None = None
        self._heard: Callable[[Reply], None] | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._gone = asyncio.Event()

    @property
    def broken(self) -> bool:
        """Whether it is of no more use."""
        return self._broken is not None

    def ask(self, commands: Sequence[bytes], then: Then) -> None:
        """Write packed commands at once; `then` gets their replies, or why there are none.

        `then` is called exactly once, from the loop and never from here, unless the connection is
        broken already.
        """
        if self._broken is not None:
            then(self._broken)
            return
        assert self._transport is not None
        due_s = self._loop.time() + self._answer_s
        self._questions.append(_Question(len(commands), due_s, then))
        self._idle.clear()
        if self._watch is None:
            self._watch = self._loop.call_at(due_s, self._look)
        self._transport.write(b"".join(commands))

    async def replies(self, *commands: bytes) -> list[Reply]:
        """Ask and wait; raise `StoreUnavailable` when the connection breaks first."""
        answer: asyncio.Future[list[Reply]] = self._loop.create_future()

        def then(found: list[Reply] | StoreUnavailable) -> None:
            if answer.done():
                return
            if isinstance(found, StoreUnavailable):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        self.ask(commands, then)
        return await answer

    @property
    def backlog(self) -> int:
        """Bytes that were written and are not yet on their way."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def listen(self, heard: Callable[[Reply], None]) -> None:
        """From now on every reply goes to `heard`: what comes is no answer to one question."""
        self._heard = heard

    def say(self, commands: Sequence[bytes]) -> None:
        """Write packed commands at once, after `listen`; nothing happens once it is broken."""
        if self._broken is None and self._transport is not None:
            self._transport.write(b"".join(commands))

    def drop(self, error: StoreUnavailable) -> None:
        """Break it; every open question is answered with `error`."""
        if self._broken is not None:
            return
        self._broken = error
        if self._watch is not None:
            self._watch.cancel()
        if self._transport is not None:
            self._transport.abort()
        self._lost()
        questions, self._questions = self._questions, deque()
        self._idle.set()
        for question in questions:
            question.then(error)

    async def finish(self) -> None:
        """Wait until every open question is answered, then until the connection is ended."""
        await self._idle.wait()
        self.drop(StoreUnavailable(f"the connection to {self._address} was closed"))
        await self._gone.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A transport of uvloop's is none of asyncio's by its class.
        self._transport = cast("asyncio.Transport", transport)
        if self._broken is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        why = f" ({exc})" if exc is not None else ""
        self.drop(StoreUnavailable(f"{self._address} ended the connection{why}"))
        self._gone.set()

    def data_received(self, data: bytes) -> None:
        if self._broken is not None:
            return
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _NOTHING:
                if self._heard is not None:
                    self._heard(reply)
                    continue
                if not self._questions:
                    raise hiredis.ProtocolError(f"an answer to no question: {reply!r:.80}")
                question = self._questions[0]
                question.replies.append(reply)
                if len(question.replies) == question.commands:
                    self._questions.popleft()
                    if not self._questions:
                        self._idle.set()
                    question.then(question.replies)
        except hiredis.ProtocolError as error:
            self.drop(StoreUnavailable(f"what answers at {self._address} is no Redis ({error})"))

    def _look(self) -> None:
        """Break the connection if the oldest question has waited too long, or look again then."""
        self._watch = None
        if not self._questions:
            return
        due_s = self._questions[0].due_s
        if self._loop.time() < due_s:
            self._watch = self._loop.call_at(due_s, self._look)
            return
        self.drop(silent(self._address, self._answer_s))


async def connect(address: Address, answer_s: float, lost: Callable[[], None]) -> Connection:
    """Open a connection, log in and choose the database; raise `StoreUnavailable` saying why not.

    A Redis that is stopped still accepts connections, so a connection is one that has answered.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(answer_s):
            _, connection = await loop.create_connection(
                lambda: Connection(address, answer_s, lost),
                address.host,
                address.port,
                ssl=address.tls_context(),
            )
    except TimeoutError:
        raise silent(address, answer_s) from None
    except ssl.SSLError as error:
        raise StoreUnavailable(
            f"{address} has no TLS to be trusted ({error}): name the file of its authority's "
            "certificates in SSL_CERT_FILE, or give redis:// if it speaks without TLS"
        ) from None
    except OSError as error:
        raise StoreUnavailable(
            f"no Redis is to be reached at {address} ({error.strerror or error}): start it, or "
            "correct the address in --store"
        ) from None
    try:
        await _greet(address, connection)
    except BaseException:
        connection.drop(StoreUnavailable(f"the connection to {address} was given up"))
        await connection.finish()
        raise
    return connection


def silent(address: Address, answer_s: float) -> StoreUnavailable:
    """The error for a Redis that does not answer."""
    why = "it hangs, or speaks no TLS" if address.tls else "it hangs"
    return StoreUnavailable(f"{address} did not answer within {answer_s:g} s: see whether {why}")


async def _greet(address: Address, connection: Connection) -> None:
    commands: list[tuple[str | bytes, ...]] = [("PING",)]
    if address.db:
        commands.insert(0, ("SELECT", str(address.db)))
    if address.password is not None:
        name = () if address.user is None else (address.user,)
        commands.insert(0, ("AUTH", *name, address.password))
    replies = await connection.replies(*(hiredis.pack_command(each) for each in commands))
    for reply in replies:
        if isinstance(reply, hiredis.ReplyError):
            raise refusal(address, str(reply))
    if replies[-1] != b"PONG":
        raise StoreUnavailable(f"what answers at {address} is no Redis (it does not answer PING)")
