"""A server of one room for bots to play in: real sockets, real frames, and faults on demand."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from bots.report import Applied
from holdfast import Action, Entity, Game, Input, Inputs, Match, Player, Refused, bounded, text, u16
from shared.digest import Layout, owned_digest, public_digest
from shared.errors import CloseCode, RemoteError
from shared.fields import OWNER
from shared.from_client import decode_from_client
from shared.history import Refusal
from shared.messages import (
    SUBPROTOCOL,
    Close,
    Digest,
    InputItem,
    InputMessage,
    Join,
    Leave,
    Renew,
    Resume,
    Role,
    Time,
    TimeAnswer,
    Welcome,
    frame_bytes,
)
from shared.schema import describe
from shared.session import ServerSession

TICK_S = 0.004
DIGEST_TICKS = 5


class Dot(Entity):
    x: int = u16()
    secret: int = u16(to=OWNER)


class Push(Input):
    by: int = bounded(-3, 3)


class Say(Action):
    words: str = text(20)


class Field(Game):
    """Every push moves a dot; `Say` refuses one word."""

    entities = (Dot,)
    input = Push
    actions = (Say,)

    def join(self, match: Match, player: Player) -> None:
        match.spawn(Dot(owner=player, secret=7))

    def act(self, match: Match, player: Player, action: Action) -> None:
        assert isinstance(action, Say)
        if action.words == "no":
            raise Refused("that word is not said here")

    def step(self, match: Match, inputs: Inputs[Any]) -> None:
        for dot in match.all(Dot):
            dot.x = (dot.x + inputs[dot.owner].by) % 60_000
            dot.secret = dot.x % 1000


@dataclass
class Seat:
    """A session: its player, what it posted, and where its frames go."""

    player: int
    token: bytes
    session: ServerSession
    socket: ServerConnection | None
    inbox: deque[InputItem] = field(default_factory=deque[InputItem])
    seq: int = 0
    applied: int = 0
    skipped: int = 0


@dataclass
class Faults:
    """What goes wrong from now on; counts are used up."""

    refuse_join: Close | None = None
    refuse_resume: Close | None = None
    forget_inputs: int = 0
    double_inputs: int = 0
    skip_inputs: int = 0
    wrong_digests: int = 0
    late_digests: int = 0
    mute: bool = False
    another_player: bool = False


class Arena:
    """One room; `tick` is called by a task while the arena is open."""

    def __init__(self) -> None:
        self.game = Field()
        self.match = Match(self.game, self.game.options(), seed=7)
        self.faults = Faults()
        self.seats: dict[bytes, Seat] = {}
        self.heard: list[Any] = []
        self.opened = 0
        self.url = ""
        self._joining: list[tuple[Join, ServerConnection]] = []
        self._layout = Layout.of_match(self.match)
        self._tokens = 0

    async def __aenter__(self) -> Arena:
        self.tick()
        self._server: Server = await serve(
            self._talk,
            "127.0.0.1",
            0,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            process_request=self._page,
            compression=None,
            ping_interval=None,
            close_timeout=0.2,
        )
        port = next(iter(self._server.sockets)).getsockname()[1]
        self.url = f"ws://127.0.0.1:{port}/play"
        self._ticking = asyncio.ensure_future(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ticking.cancel()
        self._server.close()
        await self._server.wait_closed()

    @property
    def sockets(self) -> list[ServerConnection]:
        return [seat.socket for seat in self.seats.values() if seat.socket is not None]

    def seat(self, player: int) -> Seat:
        return next(seat for seat in self.seats.values() if seat.player == player)

    def send(self, message: Close | Renew) -> None:
        """Say the same to everybody."""
        broadcast(self.sockets, message.encode())

    def drop(self) -> None:
        """Lose every socket without a word."""
        for socket in self.sockets:
            socket.transport.abort()

    async def ask(self, room: str) -> dict[int, Applied]:
        """What `GET /api/rooms/ROOM/inputs` answers."""
        assert room == "arena"
        return {s.player: Applied(s.seq, s.applied, s.skipped) for s in self.seats.values()}

    def tick(self) -> None:
        match, seated = self.match, list[tuple[Seat, Join]]()
        first = match.tick == 0
        match.begin_tick()
        if first:
            match.spawn(self.game.room())
        for join, socket in self._joining:
            seated.append((self._seat(join, socket), join))
        self._joining.clear()
        refusals: list[Refusal] = []
        inputs = {seat.player: self._apply(seat, refusals) for seat in self.seats.values()}
        self.game.step(match, Inputs(Push(), {p: i for p, i in inputs.items() if i is not None}))
        match.commit(refusals)
        for seat, _ in seated:
            self._welcome(seat)
        if not self.faults.mute:
            for seat in self.seats.values():
                self._frame(seat)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.tick()

    def _page(self, socket: ServerConnection, request: Request) -> Response | None:
        if request.path == "/api/rooms/arena/inputs":
            players = {
                str(s.player): {"seq": s.seq, "applied": s.applied, "skipped": s.skipped}
                for s in self.seats.values()
            }
            return socket.respond(HTTPStatus.OK, json.dumps({"players": players}))
        if request.path != "/play":
            return socket.respond(HTTPStatus.NOT_FOUND, "nothing here\n")
        return None

    async def _talk(self, socket: ServerConnection) -> None:
        self.opened += 1
        try:
            async for payload in socket:
                assert isinstance(payload, bytes)
                await self._take(socket, decode_from_client(payload))
        except RemoteError as error:
            await self._close(socket, Close(int(error.code), error.reason))
        except ConnectionClosed:
            pass
        finally:
            for seat in self.seats.values():
                if seat.socket is socket:
                    seat.socket = None

    async def _take(self, socket: ServerConnection, message: Any) -> None:
        self.heard.append(message)
        faults = self.faults
        seat = next((s for s in self.seats.values() if s.socket is socket), None)
        if isinstance(message, Join):
            if faults.refuse_join is not None:
                await self._close(socket, faults.refuse_join)
            elif message.game != "field":
                await self._close(socket, Close(CloseCode.NOT_FOUND, "no such game"))
            else:
                self._joining.append((message, socket))
        elif isinstance(message, Resume):
            await self._resume(socket, message)
        elif isinstance(message, InputMessage) and seat is not None:
            seat.inbox += seat.session.take(message, self.match.tick)
        elif isinstance(message, Time):
            broadcast([socket], TimeAnswer(message.client_ms, 0.0, self.match.tick).encode())
        elif isinstance(message, Leave) and seat is not None:
            self.seats = {n: s for n, s in self.seats.items() if s is not seat}
            await self._close(socket, Close(CloseCode.NORMAL, "left"))

    async def _close(self, socket: ServerConnection, close: Close) -> None:
        broadcast([socket], close.encode())
        await socket.close(close.code, close.reason)

    async def _resume(self, socket: ServerConnection, message: Resume) -> None:
        seat = next((s for s in self.seats.values() if s.token == message.token), None)
        refusal = self.faults.refuse_resume
        if refusal is not None or seat is None:
            await self._close(socket, refusal or Close(CloseCode.BAD_TOKEN, "no such seat"))
            return
        old, seat.socket = seat.socket, socket
        posted = max(seat.seq, seat.session.posted)
        seat.session = ServerSession(
            seat.player, message.held, posted, message.first_seq, self.match.tick
        )
        self._welcome(seat)
        if old is not None:
            await self._close(old, Close(CloseCode.REPLACED, "another connection took this seat"))

    def _seat(self, join: Join, socket: ServerConnection) -> Seat:
        found = self.seats.get(join.nonce)
        if found is None:
            player = 0
            if join.role is Role.PLAYER:
                row = self.match.spawn(Player(name=join.name))
                self.game.join(self.match, row)
                player = row.id
            session = ServerSession(player, 0, 0, 1, self.match.tick)
            found = self.seats[join.nonce] = Seat(player, b"", session, None)
        found.socket = socket
        found.session.base = 0
        return found

    def _welcome(self, seat: Seat) -> None:
        self._tokens += 1
        seat.token = b"token %d" % self._tokens
        player = seat.player + 1000 * self.faults.another_player
        message = Welcome(seat.token, "arena", 1, player, 20, 1, describe(self.game))
        if seat.socket is not None:
            broadcast([seat.socket], message.encode())

    def _apply(self, seat: Seat, refusals: list[Refusal]) -> Input | None:
        if not seat.inbox:
            return None
        item, faults = seat.inbox.popleft(), self.faults
        seat.seq = item.seq
        player = self.match.get(Player, seat.player)
        assert player is not None
        for part, action in enumerate(item.actions, 1):
            try:
                self.game.act(self.match, player, Say.from_wire(action[1:]))
            except Refused as refusal:
                refusals.append(Refusal(seat.player, item.seq, part, refusal.reason))
        if item.input is None:
            return None
        if faults.skip_inputs:
            faults.skip_inputs -= 1
            seat.skipped += 1
            refusals.append(Refusal(seat.player, item.seq, 0, "skipped"))
            return None
        if faults.forget_inputs:
            faults.forget_inputs -= 1
            return None
        seat.applied += 1
        if faults.double_inputs:
            faults.double_inputs -= 1
            seat.applied += 1
        return Push.from_wire(item.input)

    def _frame(self, seat: Seat) -> None:
        match, session = self.match, seat.session
        if seat.socket is None:
            return
        if not match.history.reaches(session.base):
            session.base = 0
        base = session.base
        refusals = [[r.seq, r.part, r.reason] for r in match.history.refusals(seat.player, base)]
        parts = match.delta(base), match.delta_owned(base, seat.player)
        frame = frame_bytes(match.tick, base, match.tick, seat.seq, refusals or None, None, *parts)
        session.base = match.tick
        broadcast([seat.socket], frame)
        if match.tick % DIGEST_TICKS == 0 and self.faults.late_digests:
            self.faults.late_digests -= 1
        elif match.tick % DIGEST_TICKS == 0:
            tables: list[dict[int, Any]] = [dict(table.rows) for table in match.tables]
            public = public_digest(self._layout, tables)
            crc = owned_digest(self._layout, tables, seat.player, public)
            if self.faults.wrong_digests:
                self.faults.wrong_digests -= 1
                crc ^= 1
            broadcast([seat.socket], Digest(match.tick, crc).encode())
