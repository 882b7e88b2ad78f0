"""The edge: every connection of this process, the followers of their rooms, and what they share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from server.core import tokens
from server.core.generation import Issuer
from server.core.metrics import Metrics
from server.core.ports import Clock, Host, RoomPort
from server.core.tokens import Seat
from server.edge.connection import Connection
from server.edge.follower import RoomFollower
from server.edge.handshake import RequestHead
from server.edge.websocket import Peer
from shared.limits import ACTIONS_PER_ITEM_MAX, INPUT_ITEMS_MAX, QUIET_S, UNACKED_INPUTS_MAX
from shared.messages import Welcome
from shared.schema import describe


class Timer(Protocol):
    """A call to come."""

    def cancel(self) -> object:
        """Let it not come."""


class Edge:
    """Makes connections and keeps what they need; `accept` is the listener's.

    `lifetime_s` is drawn for each connection: the age at which it is renewed, None for never.
    `quiet_s` is how far frames come apart while nothing changes.
    """

    def __init__(
        self,
        host: Host,
        clock: Clock,
        metrics: Metrics,
        log: logging.Logger,
        *,
        secret: bytes,
        digest_ticks: int,
        message_bytes_max: int,
        later: Callable[[float, Callable[[], None]], Timer],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        lifetime_s: Callable[[], float | None] = lambda: None,
        quiet_s: float = QUIET_S,
    ) -> None:
        self.host = host
        self.clock = clock
        self.metrics = metrics
        self.later = later
        self.spawn = spawn
        self.lifetime_s = lifetime_s
        self._log = log
        self._secret = secret
        self._issuer = Issuer(clock.wall_s, clock.now)
        self._digest_ticks = digest_ticks
        self._quiet_s = quiet_s
        self.limits = (
            message_bytes_max,
            INPUT_ITEMS_MAX,
            ACTIONS_PER_ITEM_MAX,
            UNACKED_INPUTS_MAX,
        )
        self._followers: dict[str, RoomFollower] = {}
        self._connections: set[Connection] = set()
        self._schemas = {name: describe(game) for name, game in host.games.items()}

    @property
    def sessions(self) -> int:
        """How many sessions have a live connection here."""
        return sum(follower.sessions for follower in self._followers.values())

    def accept(self, peer: Peer, head: RequestHead) -> Connection:
        """The conversation of a new WebSocket."""
        connection = Connection(self, peer)
        self._connections.add(connection)
        return connection

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)

    def follow(self, port: RoomPort) -> RoomFollower:
        """This edge's follower of a room."""
        follower = self._followers.get(port.id)
        if follower is None or follower.port is not port:
            follower = RoomFollower(
                port,
                self.metrics,
                self._log,
                self._digest_ticks,
                self._idle,
                self._issuer,
                self._quiet_s,
            )
            self._followers[port.id] = follower
        return follower

    def renew_all(self, deadline_s: float) -> None:
        """Ask every live connection for a successor, which another process may take."""
        for connection in list(self._connections):
            connection.renew(deadline_s)

    def may_poll(self, seat: Seat, issued: int) -> bool | None:
        """Whether a poll may take a seat, as far as this process knows the seat's room."""
        follower = self._followers.get(seat.room)
        return True if follower is None else follower.may_poll(seat.player, issued)

    def token(self, seat: Seat, issued: int) -> bytes:
        """A new session token for a seat, of the time that the follower drew for it."""
        return tokens.issue(self._secret, seat, issued / 1000)

    def welcome(self, seat: Seat, port: RoomPort, token: bytes) -> bytes:
        """The WELCOME to a seat."""
        game = port.game
        return Welcome(
            token,
            port.id,
            port.epoch,
            seat.player,
            game.tick_rate,
            game.send_every,
            self.schema(port.meta.game),
            (*self.limits, game.rewind_ticks),
        ).encode()

    def check(self, token: bytes) -> Seat:
        """The seat a token proves; RemoteError says why it proves none."""
        return tokens.check(self._secret, token)

    def schema(self, game: str) -> list[Any]:
        """A game's schema in wire form."""
        return self._schemas[game]

    def _idle(self, follower: RoomFollower) -> None:
        follower.port.unfollow(follower)
        if self._followers.get(follower.port.id) is follower:
            del self._followers[follower.port.id]
