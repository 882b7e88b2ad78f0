"""Long polling: `POST /poll` carries a session's messages where no WebSocket gets through.

Each request is a RESUME with what the player asks for, each answer one delta from the tick it
holds, so any process can answer any of them. docs/PROTOCOL.md has the bytes, SESSION.md the rules.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from server.core import tokens
from server.core.tokens import Seat
from server.edge.address import Crowd, crowd_key
from server.edge.edge import Edge
from server.edge.follower import TAKEN
from server.edge.handshake import admits, parsed_origins
from server.edge.limits import Budget
from server.edge.poller import Poller
from server.edge.request import Request, Response
from shared import limits
from shared.errors import TRY_AGAIN, CloseCode, RemoteError
from shared.from_client import bad, decode_from_client
from shared.messages import Close, Join, Resume, ToServer
from shared.polls import join_messages, split_messages

PATH: Final = "/poll"
BINARY: Final = "application/octet-stream"
ADDRESSES_KEPT: Final = 4096
"""Addresses whose spending is remembered; beyond it the one that came first is forgotten."""

PAUSE_S: Final = 0.1
"""How long a poll waits that is answered with nothing."""

BEGUN_S: Final = 10.0
"""In so many seconds an address may begin as many sessions as it may hold."""


class Polling:
    """Answers polls. `wait_s` bounds how long one waits.

    `sessions_max` bounds those that are served at once, `per_address_max` those of one address.
    """

    def __init__(
        self,
        edge: Edge,
        *,
        origins: Collection[str] | None,
        wait_s: float,
        message_bytes_max: int,
        sessions_max: int,
        per_address_max: int,
    ) -> None:
        self._edge = edge
        self._origins = parsed_origins(origins)
        self._wait_s = wait_s
        self._message_bytes_max = message_bytes_max
        self._sessions_max = sessions_max
        self._per_address_max = per_address_max
        self._pollers: set[Poller] = set()
        self._by_seat: dict[Seat, Poller] = {}
        self._crowd = Crowd()
        self._budgets: dict[str, Budget] = {}
        self._closed = False

    @property
    def sessions(self) -> int:
        """How many polling sessions are served here, those between two polls included."""
        return len(self._pollers)

    async def answer(self, request: Request) -> Response:
        """One response to one request for `PATH`."""
        origin = request.headers.get("origin")
        if origin is not None and not admits(origin, request.host, self._origins):
            sentence = "pages from this origin may not poll; the server's list of origins decides"
            return Response(403, f"{sentence}\n".encode())
        shared: tuple[tuple[str, str], ...] = ()
        if origin is not None:
            shared = (("Access-Control-Allow-Origin", origin), ("Vary", "Origin"))
        if request.method == "OPTIONS":
            allowed = ("Access-Control-Allow-Methods", "POST")
            named = ("Access-Control-Allow-Headers", "Content-Type")
            return Response(204, b"", headers=(*shared, allowed, named))
        if request.method != "POST":
            return Response(405, b"/poll takes POST\n", headers=(*shared, ("Allow", "POST")))
        self._edge.metrics.count("polls_total")
        try:
            messages = await self._converse(request)
        except RemoteError as error:
            again = 0 if error.code in TRY_AGAIN else None
            retry = again if error.retry_after_ms is None else error.retry_after_ms
            messages = [Close(error.code, error.reason, retry).encode()]
        # Proxies are to hand the answer on at once, and to keep none.
        passing = (("Cache-Control", "no-store"), ("X-Accel-Buffering", "no"))
        return Response(200, join_messages(messages), BINARY, (*shared, *passing))

    def close(self) -> None:
        """Answer every poll that waits, now and from now on: this process ends."""
        self._closed = True
        for poller in list(self._pollers):
            poller.end(CloseCode.GOING_AWAY, "the process ends; resume")

    async def _converse(self, request: Request) -> list[bytes]:
        if self._closed:
            raise RemoteError(CloseCode.GOING_AWAY, "the process ends; resume")
        hello, asked = self._read(request.body)
        poller: Poller | None = None
        if isinstance(hello, Resume):
            seat = self._edge.check(hello.token)
            if not self._goes_on(seat, tokens.issued_ms(hello.token)):
                await self._edge.clock.sleep(PAUSE_S)
                return []
            poller = self._by_seat.get(seat)
        if poller is None or poller.over:
            poller = self._begin(crowd_key(request.address))
        welcome = "welcome" in request.query
        return await poller.answer(hello, asked, self._wait_s, welcome)

    def _read(self, body: bytes) -> tuple[Join | Resume, list[ToServer]]:
        """The messages of a body; RemoteError says what is wrong with it."""
        try:
            parts = split_messages(body)
        except ValueError as error:
            raise bad(str(error)) from None
        if len(parts) > limits.POLL_MESSAGES_MAX:
            raise bad(f"a poll has at most {limits.POLL_MESSAGES_MAX} messages, not {len(parts)}")
        longest = max(map(len, parts), default=0)
        if longest > self._message_bytes_max:
            raise RemoteError(
                CloseCode.MESSAGE_TOO_BIG,
                f"a message of {longest} bytes; at most {self._message_bytes_max}",
            )
        messages = [decode_from_client(part) for part in parts]
        hello = messages[0] if messages else None
        if not isinstance(hello, Join | Resume):
            raise bad("the first message of a poll must be JOIN or RESUME")
        return hello, messages[1:]

    def _goes_on(self, seat: Seat, issued_ms: int) -> bool:
        """Whether a poll is to be served, or too early (SESSION.md, rule 8).

        RemoteError where another conversation replaced the poll's.
        """
        may = self._edge.may_poll(seat, issued_ms)
        if may is False:
            raise RemoteError(CloseCode.REPLACED, TAKEN)
        return may is True

    def _begin(self, hold: str) -> Poller:
        if len(self._pollers) >= self._sessions_max:
            raise RemoteError(CloseCode.UNAVAILABLE, "this process takes no more players", 5000)
        if self._crowd.held(hold) >= self._per_address_max:
            raise RemoteError(CloseCode.UNAVAILABLE, "this address holds too many sessions", 5000)
        if not self._budget(hold).spend():
            sentence = "this address begins sessions too fast; try again"
            raise RemoteError(CloseCode.UNAVAILABLE, sentence, 1000)
        self._crowd.enter(hold)
        poller = Poller(self._edge, hold, self._adopt, self._forget)
        self._pollers.add(poller)
        return poller

    def _budget(self, hold: str) -> Budget:
        """What an address may still begin."""
        budget = self._budgets.get(hold)
        if budget is None:
            if len(self._budgets) >= ADDRESSES_KEPT:
                del self._budgets[next(iter(self._budgets))]
            most = self._per_address_max
            budget = Budget(most / BEGUN_S, 2 * most, self._edge.clock.now)
            self._budgets[hold] = budget
        return budget

    def _adopt(self, poller: Poller, seat: Seat) -> None:
        self._by_seat[seat] = poller

    def _forget(self, poller: Poller) -> None:
        self._pollers.discard(poller)
        self._crowd.leave(poller.hold)
        if poller.seat is not None and self._by_seat.get(poller.seat) is poller:
            del self._by_seat[poller.seat]
