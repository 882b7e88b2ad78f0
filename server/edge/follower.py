"""An edge's part in one room: who sits where, and the fan-out of each committed tick.

Frames leave only from `published`, while the match holds exactly the committed rows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from server.core.fanout import Fanout
from server.core.generation import Issuer
from server.core.hooks import explain, place_in, with_place
from server.core.metrics import Metrics
from server.core.ports import Publication, RoomPort
from server.core.room import SeatRequest
from server.core.seating import JoinRefusal, RefusalCode
from server.core.tokens import Seat, issued_ms
from server.edge.generations import Generations
from server.edge.seats import Seats
from server.edge.talker import Arrival, Talker
from shared.errors import CloseCode, RemoteError
from shared.limits import AHEAD_TICKS_MAX, DIGEST_S_MAX, FRAME_BYTES_MAX, PART_BYTES, QUIET_S
from shared.match import PLAYER_TABLE
from shared.messages import Digest, Resume, RoomStatus, Status
from shared.session import ServerSession

TAKEN = "another connection took this seat"
# So many different failures of `visible` are logged for a room.
FAILURES_NAMED_MAX = 8
# How long a session waits here for a tick that it holds and this process has not heard of.
BEHIND_S = 10


class RoomFollower:
    """Follows one room for the connections of this edge.

    While nothing changes for a session, its frames come `quiet_s` apart: one a tick later says that
    what moved has stopped, and the next that happens names the tick up to which nothing did.
    """

    def __init__(
        self,
        port: RoomPort,
        metrics: Metrics,
        log: logging.Logger,
        digest_ticks: int,
        idle: Callable[[RoomFollower], None],
        issuer: Issuer,
        quiet_s: float = QUIET_S,
    ) -> None:
        self.port = port
        self._metrics = metrics
        self._log = log
        rate = port.game.tick_rate
        self._digest_ticks = min(digest_ticks, max(1, int(DIGEST_S_MAX * rate)))
        # The newest span of ticks that a digest went out for; None before the first was asked for.
        self._digest: int | None = None
        self._idle = idle
        self._issuer = issuer
        self._generations = Generations(port, issuer)
        self._epoch = port.epoch
        self._sessions: dict[Talker, ServerSession] = {}
        self._seats: Seats[Talker] = Seats()
        self._seating: dict[bytes, Talker] = {}
        self._arrivals: list[Arrival] = []
        self._moved = True
        self._committed = 0
        self._quiet_s = quiet_s
        # Whose view the game could not tell at the last tick.
        self._failed: set[Talker] = set()
        self._named: set[str] = set()
        # Whether anything happened since frames were sent last; and the tick of the next frames
        # while nothing does.
        self._stirred = True
        self._next_due = 0
        port.follow(self)

    @property
    def sessions(self) -> int:
        """How many connections are live here."""
        return len(self._sessions)

    @property
    def spectators(self) -> int:
        """How many of them watch."""
        return len(self._sessions) - self._seats.connections

    def join(self, talker: Talker, request: SeatRequest) -> None:
        """Seat a player at the next tick."""
        older = self._seating.get(request.nonce)
        self._seating[request.nonce] = talker
        if older is not None:
            older.end(CloseCode.REPLACED, "another connection joins with this nonce")
        self.port.join(request)

    def arrive(self, talker: Talker, seat: Seat, resume: Resume | None) -> None:
        """Take up a session (or a spectator's watching) at the next tick."""
        self._arrivals.append(Arrival(talker, seat, resume, self.port.match.tick))
        # Told at once, or a room might fall asleep before the tick that lets the session in.
        self._moved = True
        self.port.present(self._seats.players, self.spectators + len(self._arrivals))
        self._admit_to_standstill()

    def leave(self, talker: Talker) -> None:
        """A connection is gone; its seat stays."""
        session = self._sessions.pop(talker, None)
        if session is not None:
            self._seats.drop(session.player, talker)
            if self._seats.holder(session.player) is None:
                self._generations.forget(session.player)
        self._seating = {n: other for n, other in self._seating.items() if other is not talker}
        self._arrivals = [arrival for arrival in self._arrivals if arrival.talker is not talker]
        self._moved = True
        if not (self._sessions or self._seating or self._arrivals):
            # Told before letting go, or the room would count an empty house as full.
            self.port.present(set(), 0)
            self._idle(self)

    def base(self, resume: Resume, tick: int) -> int:
        """The tick that a session's next frame begins at, 0 for one from nothing.

        Another process may have been ahead of this one; then the frame after the tick held is
        waited for.
        """
        lost = resume.held > tick + AHEAD_TICKS_MAX
        lost = lost and not self.port.behind(resume.epoch, resume.held)
        # What is held may have other fields than rows have here.
        lost = lost or self.port.match.history.floor > min(resume.held, tick)
        return 0 if lost or self.port.diverged(resume.epoch, resume.held) else resume.held

    def may_poll(self, player: int, issued: int) -> bool | None:
        """Whether a poll may be served that names a token issued then; None: too early to tell."""
        return self._generations.may_poll(player, issued)

    def claim(self, talker: Talker, issued: int) -> None:
        """A poll that may be served names this token: connections before it are over."""
        # The poll says what its client holds, which may be less than what was sent.
        self._stirred = True
        session = self._sessions.get(talker)
        if session is not None and session.player:
            self._generations.polled(session.player, issued)

    def prove(self, talker: Talker) -> None:
        """Frames arrive on this connection: the one it renews has served its time."""
        session = self._sessions.get(talker)
        if session is None or not session.player:
            return
        if not talker.polling:
            self._generations.proven(session.player)
        retired = self._seats.prove(session.player, talker)
        self._retire(retired, "this connection was renewed")

    def published(self, publication: Publication) -> None:
        """Settle joins, send this tick's frames, and tell the room who is here."""
        commit = publication.commit
        tick, empty = commit.tick, commit.empty
        self._committed = publication.committed_tick
        if publication.seated or publication.refused:
            self._settle(publication)
        if self._arrivals:
            for arrival in self._take_arrivals():
                if not self._is_early(arrival, tick):
                    self._admit(arrival, tick)
        if publication.left:
            self._dismiss(publication.left)
        if not empty:
            self._move_out()
        if self._moved:
            self._moved = False
            self.port.present(self._seats.players, self.spectators + len(self._arrivals))
        self._stirred = self._stirred or not empty
        if tick % self.port.game.send_every == 0:
            digest = self._digest_is_due(tick)
            if self._sessions and (self._stirred or digest or tick >= self._next_due):
                self._send(publication, tick, digest=digest)

    def _digest_is_due(self, tick: int) -> bool:
        """Whether a digest goes with this sending tick's frames; asked once for each."""
        every = self._digest_ticks
        if not every:
            return False
        before = (tick - 1) // every if self._digest is None else self._digest
        self._digest = tick // every
        return before != self._digest

    def changed(self, status: Status) -> None:
        """Tell everyone that the room stands still, goes on, or has another owner."""
        if self.port.epoch != self._epoch:
            before, self._epoch = self._epoch, self.port.epoch
            self._begin_epoch(before)
        message = self._status(status)
        for talker in self._sessions:
            talker.send(message)
        self._admit_to_standstill()

    def _status(self, status: Status) -> bytes:
        port = self.port
        return RoomStatus(port.epoch, self._committed, status, speed=port.speed).encode()

    def ended(self, code: CloseCode, reason: str) -> None:
        """Close everyone: the room is over. Who waits for a seat there may find another."""
        everyone = [*self._sessions, *(arrival.talker for arrival in self._arrivals)]
        for talker in everyone:
            talker.end(code, reason)
        waiting, self._seating = self._seating, {}
        over = code is CloseCode.ROOM_CLOSED
        for talker in waiting.values():
            if over:
                talker.refused(self.port.id, JoinRefusal(RefusalCode.ENDED, reason))
            else:
                talker.end(code, reason)

    def _settle(self, publication: Publication) -> None:
        for nonce, player in publication.seated.items():
            self._moved = True
            talker = self._seating.pop(nonce, None)
            if talker is not None:
                seat = Seat(self.port.id, player, nonce)
                self._arrivals.append(Arrival(talker, seat, None))
        for nonce, refusal in publication.refused.items():
            talker = self._seating.pop(nonce, None)
            if talker is not None:
                talker.refused(self.port.id, refusal)

    def _take_arrivals(self) -> list[Arrival]:
        arrivals, self._arrivals = self._arrivals, []
        return arrivals

    def _admit_to_standstill(self) -> None:
        """Where a fault stops the room no tick comes to begin with: begin with the last one."""
        if self.port.fault:
            self._committed = self.port.match.tick
            for arrival in self._take_arrivals():
                self._admit(arrival, self._committed)

    def _is_early(self, arrival: Arrival, tick: int) -> bool:
        """Whether a session holds a tick that was not heard here: it is not shown older ones."""
        resume = arrival.resume
        if resume is None or not self.port.behind(resume.epoch, resume.held):
            return False
        if tick - arrival.since > BEHIND_S * self.port.game.tick_rate:
            arrival.talker.end(CloseCode.UNAVAILABLE, "this server is behind; try again", 500)
        else:
            self._arrivals.append(arrival)
        return True

    def _admit(self, arrival: Arrival, tick: int) -> None:
        talker, seat, resume = arrival.talker, arrival.seat, arrival.resume
        applied = 0
        base = 0 if resume is None else self.base(resume, tick)
        if seat.player:
            row = self.port.match.get(self.port.game.player, seat.player)
            if row is None or row.nonce != seat.nonce.hex():
                talker.end(CloseCode.ROOM_CLOSED, "the seat was given up")
                return
            if talker.polling and resume is not None:
                may = self.may_poll(seat.player, issued_ms(resume.token))
                if may is None:
                    self._arrivals.append(arrival)
                    return
                if not may:
                    talker.end(CloseCode.REPLACED, TAKEN)
                    return
            applied = row.input_seq
        first_seq = resume.first_seq if resume is not None else 1
        session = ServerSession(seat.player, base, applied, first_seq, tick)
        session.held = resume.held if resume is not None else 0
        session.renews = session.resumed = resume is not None
        if seat.player:
            issued = self._sit(seat.player, talker, resume, first_seq)
        else:
            issued = self._issuer.draw()
        self._sessions[talker] = session
        self._moved = self._stirred = True
        talker.welcome(seat, session, issued)
        status = self.port.status
        if status is not Status.LIVE or self.port.speed < 1:
            talker.send(self._status(status))

    def _sit(self, player: int, talker: Talker, resume: Resume | None, first_seq: int) -> int:
        """Serve a player on this connection from now on; when its token counts as issued."""
        named = issued_ms(resume.token) if resume is not None else None
        issued = self._generations.sit(player, named, first_seq, polling=talker.polling)
        self._retire(self._seats.take(player, talker), TAKEN)
        return issued

    def _retire(self, talker: Talker | None, reason: str) -> None:
        if talker is not None:
            self._sessions.pop(talker, None)
            talker.end(CloseCode.REPLACED, reason)

    def _dismiss(self, left: tuple[int, ...]) -> None:
        for player in left:
            self._close(player, CloseCode.ROOM_CLOSED, "the seat was given up")

    def _move_out(self) -> None:
        """Close the connections whose sessions have gone on elsewhere, as the players' rows say.

        One that was told to renew goes on to its deadline: until then its client may need it.
        """
        for player in self._generations.replaced():
            holder = self._seats.holder(player)
            if holder is None or not holder.renewing:
                self._close(player, CloseCode.REPLACED, TAKEN)

    def _close(self, player: int, code: CloseCode, reason: str) -> None:
        self._generations.forget(player)
        for talker in self._seats.clear(player):
            self._sessions.pop(talker, None)
            self._moved = True
            talker.end(code, reason)

    def _begin_epoch(self, before: int) -> None:
        """Another owner goes on from what is committed: what was shown beyond it never was.

        There is such a thing where the room may run ahead of its journal, or the store lost ticks.
        """
        # Who left in ticks that were read from the store was not published.
        rows = self.port.match.tables[PLAYER_TABLE].rows
        self._dismiss(tuple(player for player in self._seats.players if player not in rows))
        for session in self._sessions.values():
            if session.base > self.port.match.tick or self.port.diverged(before, session.base):
                # The client may still say that it holds what it was sent.
                session.held = max(session.held, session.base)
                session.base, session.known = 0, None
        self._stirred = True

    def _send(self, publication: Publication, tick: int, *, digest: bool) -> None:
        """Send this tick's frames to the sessions that need one, and note when the next is due."""
        game, match = self.port.game, self.port.match
        every, changed = game.send_every, match.history.changed(tick)
        quiet = max(every, int(self._quiet_s * game.tick_rate))
        # Those whose frames are due soon get them with the first of them: one tick for all.
        apart = quiet if tick < self._next_due else quiet // 2
        rows = match.tables[PLAYER_TABLE].rows
        batch = _Batch(Fanout(match, publication.commit, publication.committed), tick, digest)
        later: list[tuple[Talker, ServerSession]] = []
        for talker, session in list(self._sessions.items()):
            base = session.base
            if base > changed and tick - base < apart and not digest:
                row: Any = rows.get(session.player)
                if row is None or row.input_seq == session.ack:
                    continue
            if base == tick - every:
                self._bring(batch, talker, session)
            elif base < tick:
                later.append((talker, session))
        # Sessions that are up to date do not wait for the encoding of what others missed.
        for talker, session in later:
            self._bring(batch, talker, session)
        self._judge(batch)
        self._stirred = False
        self._next_due = min(
            (s.base + quiet if s.base > changed else tick + every for s in self._sessions.values()),
            default=0,
        )
        self._metrics.count("frames_total", batch.sent)
        self._metrics.count("frames_skipped_total", batch.skipped)
        self._metrics.count("frame_bytes_total", batch.size)

    def _bring(self, batch: _Batch, talker: Talker, session: ServerSession) -> None:
        """Send one session its frame; whatever is wrong with it concerns this connection alone."""
        game = self.port.game
        try:
            if not session.due(batch.tick, game.tick_rate, talker.buffered(), game.send_every):
                batch.skipped += 1
                return
            pieces = batch.fanout.pieces(session)
        except RemoteError as error:
            talker.end(error.code, error.reason, error.retry_after_ms)
            return
        except Exception as error:  # noqa: BLE001 - whatever a game's `visible` raises.
            batch.failed[talker] = (session.player, error)
            return
        size = sum(map(len, pieces))
        told = Digest(batch.tick, batch.fanout.digest(session)).encode() if batch.digest else None
        if size <= PART_BYTES:
            talker.send(pieces[0])
            if told is not None:
                talker.send(told)
        elif size <= FRAME_BYTES_MAX:
            talker.send_long(pieces, told)
        else:
            # It is not sent, so nobody holds its tick.
            session.base, session.known = 0, None
            reason = f"a frame of {size} bytes; at most {FRAME_BYTES_MAX}"
            self._log.error("room %s, player %d: %s", self.port.id, session.player, reason)
            talker.end(CloseCode.GAME_FAILED, reason)
            return
        batch.sent += 1
        batch.size += size

    def _judge(self, batch: _Batch) -> None:
        """The game's `visible` raised for some: one tick without a frame is forgiven, not two.

        In development the room then stands still, for its author to see why. Else the connections
        that it raised for are closed, and the others in the room notice nothing.
        """
        before, self._failed = self._failed, set(batch.failed)
        if not batch.failed:
            return
        self._metrics.count("game_errors_total")
        for talker, (player, error) in batch.failed.items():
            said, place = explain(error, self.port.game), place_in(self.port.game, error)
            if said not in self._named and len(self._named) < FAILURES_NAMED_MAX:
                self._named.add(said)
                who = f"player {player}" if player else "a spectator"
                text = with_place(f"`visible` failed for {who}: {said}", place)
                self._log.error("room %s: %s", self.port.id, text, exc_info=error)
            if talker not in before:
                continue
            reason = f"the game failed: {said}"
            if isinstance(error, MemoryError):
                talker.end(CloseCode.UNAVAILABLE, "the server is out of memory; try again", 1000)
            elif self.port.development:
                self.port.fail(reason, place)
            else:
                talker.end(CloseCode.GAME_FAILED, reason)


@dataclass(slots=True)
class _Batch:
    """The frames of one tick, as they are made."""

    fanout: Fanout
    tick: int
    digest: bool
    sent: int = 0
    skipped: int = 0
    size: int = 0
    failed: dict[Talker, tuple[int, Exception]] = field(
        default_factory=dict[Talker, tuple[int, Exception]]
    )
