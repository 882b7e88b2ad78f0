"""The two halves of a session: what a client and a server remember of their conversation.

docs/SESSION.md tells the story. Both are pure: bytes and ticks come in, bytes and decisions go out.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from .chunks import pack
from .errors import TRY_AGAIN, CloseCode
from .inputs import Action, Input
from .limits import INPUT_ITEMS_MAX, MESSAGE_BYTES_MAX, PART_BYTES, UNACKED_INPUTS_MAX
from .messages import (
    Close,
    Digest,
    Frame,
    InputItem,
    InputMessage,
    Join,
    Leave,
    Renew,
    Resume,
    RoomStatus,
    Status,
    TimeAnswer,
    Welcome,
    decode_from_server,
)
from .schema import Schema, parse
from .server_session import ServerSession
from .view import Changes, View

REPORT_FRAMES = 8
STANDSTILL_FRAMES = 20
# What a client has unacknowledged fits in two INPUTs, and with RESUME in a request's body.
POLL_INPUTS_MAX = 2

# Seqs left to whoever had the seat meanwhile: 14 hours of inputs at 20 a second.
TAKE_BACK_SEQS = 2**20
# The type, the tick and the array head of an INPUT take less.
INPUT_HEAD_BYTES = 24


class ClientState(StrEnum):
    """Where a client's session stands; docs/SESSION.md has the table."""

    CONNECTING = "connecting"
    LIVE = "live"
    RESUMING = "resuming"
    GONE = "gone"


@dataclass(slots=True)
class ClientStats:
    """What a client counted of its session."""

    frames: int = 0
    frames_skipped: int = 0
    bytes: int = 0
    inputs_sent: int = 0
    inputs_acked: int = 0
    inputs_skipped: int = 0
    inputs_given_up: int = 0
    refused: int = 0
    resumes: int = 0
    digests: int = 0
    divergence: int = 0


@dataclass(slots=True)
class Outcome:
    """What one message from the server did: changes of the view, refusals, a clock, an end.

    `frame` is the frame that was applied, where `framed`; `roomed`: how the room stands was told.
    """

    framed: bool = False
    roomed: bool = False
    frame: Frame | None = None
    changes: Changes | None = None
    refusals: list[tuple[int, int, str]] = field(default_factory=list[tuple[int, int, str]])
    # Ticks before the frame's in which nothing happened, so that none came.
    quiet: int = 0
    time: TimeAnswer | None = None
    renew_ms: int | None = None
    closed: Close | None = None


class ClientSession:
    """A player's seat as its client sees it. `outbox` holds messages to send on the connection."""

    def __init__(self, join: Join) -> None:
        self.state = ClientState.CONNECTING
        self.outbox: list[bytes] = []
        self.stats = ClientStats()
        self.view: View | None = None
        self.schema: Schema | None = None
        self.welcome: Welcome | None = None
        self.status = Status.LIVE
        self.speed = 1.0
        self.closed: Close | None = None
        self.ack = 0
        # The tick up to which the newest frame says that nothing had changed.
        self.still = 0
        self._join = join
        self._schema: Any = None
        self._outdated: list[tuple[int, int, str]] = []
        self._epoch = 0
        self._next_seq = 1
        self._unacked: deque[InputItem] = deque()
        self._since_report = 0
        self._standing = 0
        self._resync = False

    @property
    def player(self) -> int:
        """The id of this player's row, 0 before WELCOME and for a spectator."""
        return self.welcome.player if self.welcome else 0

    @property
    def name(self) -> str:
        """The name asked for."""
        return self._join.name

    @property
    def epoch(self) -> int:
        """The newest epoch the server has told, 0 before WELCOME."""
        return self._epoch

    @property
    def waiting(self) -> int:
        """How many input items are not yet acknowledged."""
        return len(self._unacked)

    @property
    def last_seq(self) -> int:
        """The seq of the newest item made, 0 for none."""
        return self._next_seq - 1

    def hello(self) -> bytes:
        """The first message of a new connection: JOIN until welcomed, then RESUME."""
        if self.welcome is not None:
            self.state = ClientState.RESUMING
            self.stats.resumes += 1
        return self._hello()

    def poll(self) -> list[bytes]:
        """The messages of a long poll: JOIN, or RESUME and every input not acknowledged."""
        self.outbox.clear()
        if self.welcome is not None and self._unacked:
            self._repeat()
        inputs, self.outbox = self.outbox[:POLL_INPUTS_MAX], []
        return [self._hello(), *inputs]

    def lost(self) -> None:
        """The connection ended without a CLOSE."""
        if self.state is ClientState.LIVE:
            self.state = ClientState.RESUMING
        self.outbox.clear()

    def leave(self) -> None:
        """Give the seat up."""
        if self.state is ClientState.LIVE:
            self.outbox.append(Leave().encode())
        self.state = ClientState.GONE
        self.closed = Close(CloseCode.NORMAL, "left")

    def take_back(self) -> None:
        """Resume a seat that another connection took; what waits for an answer is given up."""
        self._unacked.clear()
        self._next_seq += TAKE_BACK_SEQS
        self.closed = None
        self.state = ClientState.RESUMING

    def post(
        self,
        sample: Input | None,
        actions: list[tuple[int, Action]] | None = None,
        drawn: int | None = None,
    ) -> int:
        """Queue one item; its seq. Where too many wait it is given up: then above `last_seq`.

        `drawn` is the tick on the screen, where it is not the newest; for games that look back.
        """
        if len(self._unacked) >= UNACKED_INPUTS_MAX:
            self.stats.inputs_given_up += 1
            return self._next_seq
        wire = None if sample is None else sample.to_wire()
        made = tuple([index, *action.to_wire()] for index, action in actions or ())
        rewinds = self.welcome is not None and any(self.welcome.limits[4:5])
        item = InputItem(self._next_seq, wire, made, drawn if rewinds else None)
        self._next_seq += 1
        self._unacked.append(item)
        self.stats.inputs_sent += 1
        if self.state is ClientState.LIVE:
            self._send([item])
        return item.seq

    def forget(self, seq: int) -> None:
        """Repeat items up to `seq` without their input: what was done long ago is not done now."""
        items = (i._replace(input=None) if i.seq <= seq else i for i in self._unacked)
        self._unacked = deque(items)

    def receive(self, payload: bytes) -> Outcome:
        """Take in a message; ValueError if it is malformed, then the caller resumes.

        A session that is gone takes in nothing: a WELCOME on its way would bring it back to life.
        """
        if self.state is ClientState.GONE:
            return Outcome()
        message = decode_from_server(payload)
        self.stats.bytes += len(payload)
        match message:
            case Frame():
                return self._frame(message, len(payload))
            case Welcome():
                return self._welcomed(message)
            case Digest():
                return self._digest(message)
            case RoomStatus():
                return self._room(message)
            case TimeAnswer():
                return Outcome(time=message)
            case Renew():
                return Outcome(renew_ms=message.deadline_ms)
            case Close():
                return self._closed(message)
            case _:
                return Outcome()

    def _hello(self) -> bytes:
        if self.welcome is None:
            return self._join.encode()
        held = self.view.tick if self.view and not self._resync else 0
        first = self._unacked[0].seq if self._unacked else self._next_seq
        return Resume(self.welcome.token, self._epoch, held, first).encode()

    def _welcomed(self, message: Welcome) -> Outcome:
        if self.welcome is None or message.schema != self._schema:
            self._look(message.schema, message.player)
        self.welcome = message
        self._epoch = message.epoch
        self.status = Status.LIVE
        self.speed = 1.0
        self.state = ClientState.LIVE
        self._repeat()
        return Outcome()

    def _look(self, schema: Any, player: int) -> None:
        """Begin a view of rows as this schema describes them; the next frame is from nothing."""
        if self._schema is not None and schema[1:3] != self._schema[1:3]:
            self._blank()
        self._schema = schema
        self.schema = parse(schema)
        self.view = View(self.schema, player)

    def _blank(self) -> None:
        """Inputs and actions are others now: what waits asks for nothing, under its old seq."""
        for at, item in enumerate(self._unacked):
            parts = range(1, len(item.actions) + 1)
            self._outdated += [(item.seq, part, "the game changed") for part in parts]
            self._unacked[at] = InputItem(item.seq, None)

    def _frame(self, frame: Frame, size: int) -> Outcome:
        view = self.view
        if view is None:
            raise ValueError("a FRAME before WELCOME")
        if frame.base != 0 and frame.tick <= view.tick:
            return Outcome()
        if frame.base > view.tick:
            raise ValueError(f"a FRAME from tick {frame.base}, but {view.tick} is held")
        held = view.tick
        changes = view.apply(frame.tick, frame.base, frame.dropped, frame.chunks)
        self._resync = False
        self.stats.frames += 1
        every = self.welcome.send_every if self.welcome else 1
        # Ticks in which nothing happened needed no frame.
        self.still = max(held, frame.still or 0) if frame.base else 0
        covered = max(1, (frame.tick - self.still) // every) if frame.base else 1
        self.stats.frames_skipped += covered - 1
        refusals = self._outdated + self._refusals(frame)
        self._outdated = []
        self._acked(frame.ack, max(1, (frame.tick - held) // every))
        # One from nothing, or in parts, is reported at once: to the edge its reader was behind.
        anew = frame.base == 0 and held > 0
        self._since_report += REPORT_FRAMES if anew or size > PART_BYTES else covered
        if self._since_report >= REPORT_FRAMES:
            self._send([])
        quiet = max(0, self.still - held) if frame.base else 0
        return Outcome(framed=True, frame=frame, changes=changes, refusals=refusals, quiet=quiet)

    def _refusals(self, frame: Frame) -> list[tuple[int, int, str]]:
        """Refusals of items not settled before; a frame may tell old ones again."""
        fresh = [refusal for refusal in frame.refusals or () if refusal[0] > self.ack]
        self.stats.refused += sum(1 for _, part, _ in fresh if part)
        self.stats.inputs_skipped += sum(1 for _, part, _ in fresh if not part)
        return fresh

    def _acked(self, ack: int, ticks: int) -> None:
        """Let go of what is acknowledged; what is not for 20 frames, or as many ticks, is repeated.

        A frame that covers many ticks counts as a few: what was sent lately is on its way.
        """
        if ack > self.ack:
            self.ack = ack
            self._standing = 0
            while self._unacked and self._unacked[0].seq <= ack:
                self._unacked.popleft()
                self.stats.inputs_acked += 1
        elif self._unacked:
            self._standing += min(ticks, STANDSTILL_FRAMES // 4)
            if self._standing >= STANDSTILL_FRAMES:
                self._repeat()

    def _digest(self, message: Digest) -> Outcome:
        view = self.view
        if view is not None and view.tick == message.tick:
            self.stats.digests += 1
            if view.digest() != message.crc:
                self.stats.divergence += 1
                self._resync = True
                raise ValueError(f"the view of tick {message.tick} differs from the server's")
        return Outcome()

    def _room(self, message: RoomStatus) -> Outcome:
        self.status = message.status
        self.speed = message.speed
        if message.schema is not None:
            self._look(message.schema, self.player)
        if message.epoch != self._epoch:
            self._epoch = message.epoch
            self._repeat()
        return Outcome(roomed=True)

    def _closed(self, message: Close) -> Outcome:
        again = message.code in TRY_AGAIN or message.retry_after_ms is not None
        if again:
            self.state = ClientState.RESUMING if self.welcome else ClientState.CONNECTING
        else:
            self.state = ClientState.GONE
            self.closed = message
        return Outcome(closed=message)

    def _repeat(self) -> None:
        self._standing = 0
        part: list[InputItem] = []
        left = MESSAGE_BYTES_MAX - INPUT_HEAD_BYTES
        for item in self._unacked:
            size = len(pack(item.wire()))
            if part and (size > left or len(part) >= INPUT_ITEMS_MAX):
                self._send(part)
                part, left = [], MESSAGE_BYTES_MAX - INPUT_HEAD_BYTES
            part.append(item)
            left -= size
        if part:
            self._send(part)

    def _send(self, items: list[InputItem]) -> None:
        self._since_report = 0
        held = self.view.tick if self.view and not self._resync else 0
        self.outbox.append(InputMessage(held, tuple(items)).encode())


__all__ = ["ClientSession", "ClientState", "ClientStats", "Outcome", "ServerSession"]
