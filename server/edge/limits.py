"""The bounds of one listener, each with its reason, and what it counts.

Bounds that belong to the protocol come from shared/limits.py; those below concern sockets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shared import limits


@dataclass(frozen=True, slots=True)
class EdgeLimits:
    """Bounds of one listener; times in seconds, sizes in bytes.

    Raises ValueError, naming the setting, where a bound makes no sense.
    """

    # Platforms add a dozen headers; browsers with cookies stay below 8 KiB.
    head_bytes_max: int = 16 * 1024
    # From the first byte (for a new socket: from its accept) to the end of the request head.
    open_timeout_s: float = 3.0
    message_bytes_max: int = limits.MESSAGE_BYTES_MAX
    # A poll repeats a RESUME and every unacknowledged input; four messages' worth is ample.
    body_bytes_max: int = 4 * limits.MESSAGE_BYTES_MAX
    # Mobile uplinks send a full body well within this; a byte a second does not.
    body_timeout_s: float = 10.0
    # Load balancers drop connections silent for 30 to 60 s.
    ping_interval_s: float = 20.0
    # Whoever does not read does not answer either; TOO_SLOW_S says how long that is borne.
    ping_timeout_s: float = limits.TOO_SLOW_S
    # How long a close frame or a refusal may wait to be read.
    close_timeout_s: float = 3.0
    # Browsers and proxies reuse a connection within seconds or not at all.
    http_idle_s: float = 30.0
    # What one core carries at 20 Hz with room to spare.
    connections_max: int = 2000
    # Sockets that are no WebSocket: unfinished heads, pages, health checks, long polls.
    http_connections_max: int = 1000
    # A school or an office behind one address; an IPv6 network counts as one.
    connections_per_address_max: int = 200
    # One input a tick at the highest rate, and the clock; fragments count too.
    frames_per_s: float = 200.0
    # What queues up behind a stall of the network or of this process.
    frames_burst: int = 600
    # Browsers never ping; libraries ping every few seconds.
    control_frames_per_s: float = 20.0
    control_frames_burst: int = 40
    # Above this the transport says so; sessions skip frames from here on.
    write_gate_bytes: int = limits.WRITE_GATE_BYTES
    # Frames stop at the gate; whoever gets here asks for answers and does not read them.
    write_buffer_bytes_max: int = 16 * limits.PART_BYTES + limits.WRITE_GATE_BYTES
    # The kernel's share of the queue: several seconds of frames, a bounded part of a snapshot.
    send_buffer_bytes: int = 64 * 1024
    # Input thrown away while a close frame waits to be read; beyond it the socket is not read.
    linger_bytes_max: int = 256 * 1024

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be above 0")
        if self.write_buffer_bytes_max <= self.write_gate_bytes:
            raise ValueError("write_buffer_bytes_max must exceed write_gate_bytes")
        if self.write_gate_bytes > limits.WRITE_GATE_BYTES:
            # Sessions stop writing there, and go on when the transport falls below its own gate.
            raise ValueError(f"write_gate_bytes may not exceed {limits.WRITE_GATE_BYTES}")


@dataclass(slots=True)
class EdgeCounters:
    """What happened at one listener since it was made; `*_now` are gauges, the rest only rise."""

    open_now: int = 0
    http_now: int = 0
    opened: int = 0
    closed: int = 0
    accepted: int = 0
    requests: int = 0
    refused_full: int = 0
    refused_address: int = 0
    refused_origin: int = 0
    refused_path: int = 0
    refused_handshake: int = 0
    refused_request: int = 0
    timed_out: int = 0
    handler_errors: int = 0
    pings: int = 0
    pings_unanswered: int = 0
    closed_by_limit: int = 0
    closed_by_error: int = 0
    aborted_full: int = 0


class Budget:
    """A token bucket that asks for the time only when it has run dry.

    Since it was made it has granted at most `burst + rate * T`; after a silence, however long, at
    most `2 * burst` at once.
    """

    __slots__ = ("_burst", "_clock", "_filled_at", "_rate", "left")

    def __init__(self, rate_per_s: float, burst: int, clock: Callable[[], float]) -> None:
        self.left = burst
        self._rate = rate_per_s
        self._burst = burst
        self._clock = clock
        self._filled_at = clock()

    def spend(self) -> bool:
        """Take one; False when there is none."""
        if self.left <= 0 and not self._refill():
            return False
        self.left -= 1
        return True

    def _refill(self) -> bool:
        now = self._clock()
        gained = int((now - self._filled_at) * self._rate)
        if gained < 1:
            return False
        # What the rounding cut off stays owed, so a steady sender gets its full rate.
        self._filled_at += gained / self._rate
        self.left = min(gained, self._burst)
        return True
