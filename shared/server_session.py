"""The server's half of a session: what an edge remembers of one connection.

It is pure: messages and ticks come in, decisions go out. `session.py` has the client's half.
"""

from __future__ import annotations

from typing import Any

from .errors import CloseCode, RemoteError
from .limits import BEHIND_TICKS_MAX, TOO_SLOW_S, WRITE_GATE_BYTES
from .messages import InputMessage


class ServerSession:
    """What an edge remembers of one connection of a session.

    `base` is the tick of the last frame sent (0: none), `held` the newest tick reported, `ack` the
    one last sent (-1: none), `began` the seq before the first that the client held when it came.
    `quiet` counts the ticks since `held` that needed no frame. A session
    that `renews` another may begin above `posted`: what lies between was acknowledged meanwhile, on
    the connection that it renews. To one that `resumed`, frames may have come by another process
    which is a little ahead: what it holds of them does not count as held here.
    """

    __slots__ = (
        "ack",
        "base",
        "began",
        "first_tick",
        "held",
        "known",
        "player",
        "posted",
        "quiet",
        "renews",
        "resumed",
        "trouble_since",
    )

    def __init__(self, player: int, base: int, applied: int, first_seq: int, tick: int) -> None:
        self.player = player
        self.base: int = base
        self.held = base
        self.ack = -1
        self.quiet = 0
        self.posted = self.began = max(applied, first_seq - 1)
        self.first_tick = tick
        self.renews = False
        self.resumed = False
        self.trouble_since: int | None = None
        self.known: dict[int, set[int]] | None = None

    def take(self, message: InputMessage, tick: int) -> list[Any]:
        """The items not taken before, in order; RemoteError for a gap or a tick never sent."""
        held = message.held
        if held > tick:
            if not self.resumed:
                raise RemoteError(
                    CloseCode.BAD_MESSAGE, f"tick held {held} was never sent; the newest is {tick}"
                )
            held = tick
        self.held = max(self.held, held)
        if held >= self.base:
            self.quiet = 0
        fresh: list[Any] = []
        for item in message.items:
            seq = item.seq
            if seq <= self.posted:
                continue
            if seq != self.posted + 1 and not self.renews:
                raise RemoteError(
                    CloseCode.BAD_MESSAGE,
                    f"input seq {seq} leaves a gap; the next is {self.posted + 1}",
                )
            self.posted = seq
            self.renews = False
            fresh.append(item)
        return fresh

    def resume(self, base: int, held: int, first_seq: int, tick: int, moved: bool) -> None:
        """A poll came: go on from `base`, the tick its client holds where that is good, else 0.

        Hidden rows are known as the last frame sent had them, so that another base makes the next
        frame one from nothing where the game hides any. Where the room `moved` since, what was
        posted may be lost with its owner and is taken again; the room drops what it has.
        """
        if base != self.base:
            self.base, self.known, self.ack = base, None, -1
        self.held = held
        self.quiet = 0
        self.first_tick = tick
        self.began = max(self.began, first_seq - 1)
        self.posted = first_seq - 1 if moved else max(self.posted, first_seq - 1)

    def due(self, tick: int, tick_rate: int, buffered: int, send_every: int = 1) -> bool:
        """Whether to send tick's frame now; skipped ones are covered by the next.

        Clients report by frames, so what is behind is counted in ticks that are sent. RemoteError
        once the reader has been behind for too long.
        """
        most = BEHIND_TICKS_MAX * send_every
        # A newcomer's first report may come after many quiet ticks: what was before it is not owed.
        since = self.held or self.first_tick
        if buffered <= WRITE_GATE_BYTES and (
            tick - since - self.quiet < most or tick - self.first_tick < most
        ):
            self.trouble_since = None
            return True
        if self.trouble_since is None:
            self.trouble_since = tick
        if tick - self.trouble_since > TOO_SLOW_S * tick_rate:
            raise RemoteError(
                CloseCode.TOO_SLOW,
                f"no frame was read, or no tick held reported, for {TOO_SLOW_S:g} s",
            )
        return buffered <= WRITE_GATE_BYTES and tick - self.base >= tick_rate
