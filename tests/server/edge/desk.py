"""An edge over a real host on virtual time, lines in memory, callers who speak the protocol."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from server.edge.edge import Edge
from server.edge.handshake import RequestHead
from server.edge.polling import Polling
from server.edge.websocket import Receiver
from server.host.room_handle import RoomHandle
from shared.errors import CloseCode
from shared.game import Game
from shared.limits import MESSAGE_BYTES_MAX
from shared.messages import Close, Frame, Join, Role, ToClient, decode_from_server
from shared.parts import Assembly
from shared.session import ClientSession, ClientState
from tests.server.core.yard import Push, Say, Yard, nonce
from tests.server.host.rig import LOG, MoodyStore, Rig, owned

HEAD = RequestHead("/play", {}, {}, "192.0.2.7", "localhost")
SECRET = b"edge" * 8
WAIT_S = 4.0


class Line:
    """A `Peer` in memory: what was written is kept, and what waits to be taken is a number."""

    address = "192.0.2.7"

    def __init__(self, hear: Callable[[bytes], object] = lambda payload: None) -> None:
        self.receiver: Receiver | None = None
        self.sent: list[bytes] = []
        self.waiting = 0
        self.assembly = Assembly()
        self.ending: tuple[int, str] | None = None
        self._hear = hear

    def send(self, payload: bytes, /) -> None:
        if self.ending is None:
            self.sent.append(payload)
            self._hear(payload)

    def write(self, frame: bytes, /) -> None:
        raise NotImplementedError("the session layer sends messages")

    def buffered(self) -> int:
        return self.waiting

    def close(self, code: int, reason: str) -> None:
        if self.ending is None:
            self.ending = (code, reason)
            asyncio.get_running_loop().call_soon(self._report)

    def abort(self) -> None:
        self.close(1006, "lost")

    def _report(self) -> None:
        receiver, self.receiver = self.receiver, None
        assert receiver is not None
        assert self.ending is not None
        receiver.closed(*self.ending)

    def say(self, payload: bytes) -> None:
        """What the client at the other end sends."""
        assert self.receiver is not None
        self.receiver.message(payload)

    def messages(self) -> list[ToClient | None]:
        """All that was sent, decoded, and long frames put together."""
        assembly = Assembly()
        wholes = [assembly.take(payload) for payload in self.sent]
        return [decode_from_server(whole) for whole in wholes if whole is not None]

    def of(self, kind: type[Any]) -> list[Any]:
        """The messages of a kind."""
        return [message for message in self.messages() if isinstance(message, kind)]


class Desk:
    """An edge and its host; `seconds` lets virtual time pass. `beside` another it has its store."""

    def __init__(
        self,
        *games: Game,
        digest_ticks: int = 5,
        store: MoodyStore | None = None,
        lifetime_s: float | None = None,
        sessions_max: int = 100,
        seed: int = 1,
        beside: Desk | None = None,
        development: bool = False,
        quiet_s: float = 0.0,
    ) -> None:
        served = {type(game).__name__.lower(): game for game in games or (Yard(),)}
        loop = asyncio.get_running_loop()
        if beside is not None:
            store = beside.rig.store
        self.rig: Rig = Rig(
            served,
            store=store,
            seed=seed,
            development=development,
            exchange=None if beside is None else beside.rig.exchange,
        )
        self.failures: list[BaseException] = []
        self.edge = Edge(
            self.rig.host,
            self.rig.clock,
            self.rig.metrics,
            LOG,
            secret=SECRET,
            digest_ticks=digest_ticks,
            message_bytes_max=MESSAGE_BYTES_MAX,
            later=loop.call_later,
            spawn=self._spawn,
            lifetime_s=lambda: lifetime_s,
            quiet_s=quiet_s,
        )
        self.polling = Polling(
            self.edge,
            origins=["https://play.example"],
            wait_s=WAIT_S,
            message_bytes_max=MESSAGE_BYTES_MAX,
            sessions_max=sessions_max,
            per_address_max=20,
        )

    async def start(self) -> Desk:
        await self.rig.start()
        return self

    async def stop(self) -> None:
        await self.rig.stop()

    async def seconds(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def line(self) -> Line:
        """A new WebSocket whose client says only what a test feeds it."""
        line = Line()
        line.receiver = self.edge.accept(line, HEAD)
        return line

    async def call(self, name: str, game: str = "yard", **wishes: Any) -> Caller:
        """A caller who joins and gets in."""
        caller = Caller(self, name, game, **wishes)
        caller.connect()
        await self.seconds(0.2)
        assert caller.session.state is ClientState.LIVE, caller.line.messages()
        return caller

    def port(self) -> RoomHandle:
        """The only room, as this process's edge has it."""
        [room] = self.rig.host.rooms()
        return room

    def only_room(self) -> RoomHandle:
        """The only room itself, which runs here."""
        return owned(self.port())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.failures.append(error)


class Caller:
    """A client of the protocol: what it holds is judged by the server's digests."""

    def __init__(
        self, desk: Desk, name: str, game: str = "yard", *, role: Role = Role.PLAYER, **options: Any
    ) -> None:
        self.desk = desk
        self.session = ClientSession(Join(nonce(name), game, options, name, role))
        self.line = Line()
        self.frames: list[Frame] = []
        self.lines: list[Line] = []
        self.silent = False
        self._out: deque[bytes] = deque()

    def connect(self) -> Line:
        """Open a line and say hello on it."""
        line = Line(lambda payload: self._hear(line, payload))
        self.line = line
        self.lines.append(line)
        line.receiver = self.desk.edge.accept(line, HEAD)
        self.say(self.session.hello())
        return line

    def say(self, payload: bytes) -> None:
        """Send any bytes."""
        self.line.say(payload)

    def post(self, by: int | None = None, *words: str) -> int:
        """Ask for something."""
        sample = None if by is None else Push(by=by)
        seq = self.session.post(sample, [(0, Say(words=one)) for one in words])
        self._flush()
        return seq

    def hang_up(self) -> None:
        """Lose the line without a word."""
        self.line.abort()
        self.session.lost()

    def _hear(self, line: Line, payload: bytes) -> None:
        if line is not self.line:
            return
        whole = line.assembly.take(payload)
        if whole is None:
            return
        payload = whole
        message = decode_from_server(payload)
        if isinstance(message, Frame):
            self.frames.append(message)
        self.session.receive(payload)
        # What a client says meanwhile travels, and does not arrive inside the server's own call.
        if not self.silent:
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        out, self.session.outbox = self.session.outbox, []
        for payload in out:
            if self.line.receiver is not None:
                self.line.receiver.message(payload)


def closing(line: Line) -> tuple[CloseCode, str]:
    """The CLOSE a line was sent, once and last, with the socket's close after it."""
    last = line.messages()[-1]
    assert isinstance(last, Close), last
    assert len(line.of(Close)) == 1
    assert line.ending == (last.code, last.reason)
    return CloseCode(last.code), last.reason
