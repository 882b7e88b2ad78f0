"""What waits to be read, as the kernel counts it: over a real socket whose peer does not read."""

from __future__ import annotations

import contextlib
import socket
import sys

import pytest

from server.edge.backlog import Backlog, Queue

# Linux begins no segment beyond the bound, and makes none longer than this (GSO).
SEGMENT_BYTES_MAX = 64 * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what its kernel holds")
def test_the_kernels_bytes_and_their_bound_are_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
        with near, far:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32 * 1024)
            assert Queue.of(7, near) == Queue(7, 0, 64 * 1024)
            near.setblocking(False)
            written = 0
            with contextlib.suppress(BlockingIOError):
                while written < 100_000_000:
                    written += near.send(bytes(4096))
            queue = Queue.of(0, near)
            most = queue.kernel_bytes_max + SEGMENT_BYTES_MAX
            assert 0 < queue.kernel_bytes <= min(written, most)
        # Closed by now.
        assert Queue.of(3, near) == Queue(3, 0, 0)


def test_queues_add_up_and_the_longest_are_told() -> None:
    queues = [Queue(10, 5, 100), Queue(3, 8, 100), Queue.of(2, None)]
    assert Backlog.of(queues).gauges() == {
        "backlog_process_bytes": 15,
        "backlog_process_bytes_longest": 10,
        "backlog_kernel_bytes": 13,
        "backlog_kernel_bytes_longest": 8,
        "backlog_kernel_bytes_max": 100,
    }
    assert set(Backlog.of([]).gauges().values()) == {0}
