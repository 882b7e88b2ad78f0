"""What waits to be read by slow peers, and where: in this process, or in its kernel."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

if sys.platform == "linux":
    import fcntl

SIOCOUTQ: Final = 0x5411
"""Linux's question for the bytes of a socket that its peer has not acknowledged (tcp(7))."""


@dataclass(frozen=True, slots=True)
class Queue:
    """One socket's bytes; `kernel_bytes` and `kernel_bytes_max` are 0 where they are not told."""

    process_bytes: int
    kernel_bytes: int
    # SO_SNDBUF as it is read back: Linux doubles what was set, for its own bookkeeping (socket(7)),
    # and looks at it before it begins a segment; so one segment (64 KiB) may lie beyond it.
    kernel_bytes_max: int

    @staticmethod
    def of(process_bytes: int, sock: Any) -> Queue:
        """Of a transport's buffer and its socket, None for one in memory."""
        if sock is None:
            return Queue(process_bytes, 0, 0)
        try:
            most = sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
            return Queue(process_bytes, _unacknowledged(sock.fileno()), most)
        except OSError:
            # It is closed by now.
            return Queue(process_bytes, 0, 0)


def _unacknowledged(fd: int) -> int:
    """Bytes of a connection in the kernel that its peer has not taken."""
    if sys.platform != "linux":
        return 0
    found: int = struct.unpack("i", fcntl.ioctl(fd, SIOCOUTQ, bytes(4)))[0]
    return found


@dataclass(frozen=True, slots=True)
class Backlog:
    """The queues of all sockets together, and the longest of each kind."""

    process_bytes: int
    process_bytes_longest: int
    kernel_bytes: int
    kernel_bytes_longest: int
    kernel_bytes_max: int

    @staticmethod
    def of(queues: Sequence[Queue]) -> Backlog:
        """Add up."""
        process = [queue.process_bytes for queue in queues]
        kernel = [queue.kernel_bytes for queue in queues]
        return Backlog(
            sum(process),
            max(process, default=0),
            sum(kernel),
            max(kernel, default=0),
            max((queue.kernel_bytes_max for queue in queues), default=0),
        )

    def gauges(self) -> dict[str, float]:
        """As they are told in /metrics."""
        return {f"backlog_{name}": float(value) for name, value in asdict(self).items()}
