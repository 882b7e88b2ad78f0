"""Several workers on one socket: who is restarted, who is not, and when the server ends."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from server.restarts import DEATHS_MAX, EXIT_CONFIG, EXIT_STORE
from tests.server.supervised import WORKER, ask, supervised

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the supervisor is for POSIX")

# One connection in turn for each, so that a test knows who answers: "die" kills, "reload" asks to
# be started again, "away" says that the store is; anything else is answered with number and pid.
TALK = (
    WORKER
    + """
import select
TOLD = [signal.SIGTERM, signal.SIGINT]
listener = adopt(inherited)
listener.setblocking(False)
def stop(*_):
    say("stopped", inherited.number)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
def serve():
    say_serving(inherited)
    say("serving", inherited.number, os.getpid())
    while True:
        # Told to stop only here, or a connection that is accepted already would have no answer. A
        # signal just before `select` is slept through, but not for long.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, TOLD)
        select.select([listener], [], [], 0.1)
        signal.pthread_sigmask(signal.SIG_BLOCK, TOLD)
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            continue
        connection.setblocking(True)
        connection.sendall(str(os.getpid()).encode() + b"\\n")
        match connection.recv(16):
            case b"die": os.kill(os.getpid(), signal.SIGKILL)
            case b"reload": sys.exit(3)
        connection.close()
"""
)
PLAY = TALK + "\nserve()\n"


def serving(line: str) -> tuple[int, int]:
    """Number and pid out of a worker's line."""
    _, number, pid = line.split()
    return int(number), int(pid)


def ask_until_refused(port: int) -> None:
    """Ask again and again, since a signal takes its time; pytest's timeout bounds it."""
    while True:
        ask(port)


def test_each_worker_has_its_number_and_all_serve_one_port() -> None:
    with supervised(PLAY, workers=3) as running:
        pids = dict(serving(running.wait_for("serving")) for _ in range(3))
        assert sorted(pids) == [1, 2, 3]
        for left in pids.values():
            others = [pid for pid in pids.values() if pid != left]
            for pid in others:
                os.kill(pid, signal.SIGSTOP)
            assert {ask(running.port) for _ in range(5)} == {left}
            for pid in others:
                os.kill(pid, signal.SIGCONT)


def test_a_killed_worker_is_replaced_under_its_number_and_the_others_are_not() -> None:
    with supervised(PLAY, workers=2) as running:
        pids = dict(serving(running.wait_for("serving")) for _ in range(2))
        for _ in range(DEATHS_MAX + 1):
            os.kill(pids[2], signal.SIGKILL)
            number, pid = serving(running.wait_for("serving"))
            assert number == 2
            assert pid != pids[2]
            pids[2] = pid
        os.kill(pids[1], 0)
        # A worker that served and was killed may be killed as often as one likes.
        assert running.count("giving up") == 0
        assert running.count("worker started") == 2 + DEATHS_MAX + 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_all_are_told_to_stop(number: signal.Signals) -> None:
    with supervised(PLAY, workers=3) as running:
        for _ in range(3):
            running.wait_for("serving")
        running.process.send_signal(number)
        assert running.end() == 0
        assert sorted(line for line in running.lines if line.startswith("stopped")) == [
            "stopped 1",
            "stopped 2",
            "stopped 3",
        ]
        assert running.count("worker started") == 3


def test_the_worst_end_is_the_end_of_the_server() -> None:
    worker = TALK.replace("sys.exit(0)", "sys.exit(7 if inherited.number == 2 else 0)")
    with supervised(worker + "\nserve()\n", workers=3) as running:
        for _ in range(3):
            running.wait_for("serving")
        running.process.terminate()
        assert running.end() == 7


def test_the_port_refuses_while_the_workers_drain() -> None:
    """A balancer goes elsewhere at once, instead of waiting in a backlog that nobody reads."""
    drain = TALK.replace("def stop(*_):", "def stop(*_):\n    listener.close(); time.sleep(60)")
    with supervised(drain + "\nserve()\n", workers=2) as running:
        for _ in range(2):
            running.wait_for("serving")
        assert ask(running.port)
        running.process.terminate()
        with pytest.raises(OSError, match=r"refused|reset"):
            ask_until_refused(running.port)


def test_what_is_wrong_with_settings_is_said_once() -> None:
    with supervised(f"{WORKER}\nsay('wrong'); sys.exit({EXIT_CONFIG})", workers=4) as running:
        assert running.end() == EXIT_CONFIG
        assert running.count("wrong") == 1
        assert running.count("worker started") == 1


def test_one_worker_that_keeps_dying_does_not_end_those_that_serve() -> None:
    worker = f"{TALK}\nif inherited.number == 2: sys.exit(1)\nserve()\n"
    with supervised(worker, workers=2) as running:
        running.wait_for(f"worker 2 died {DEATHS_MAX} times")
        assert "others serve" in running.lines[-1]
        assert running.process.poll() is None
        assert running.count("worker started") == 1 + DEATHS_MAX
        assert ask(running.port)


def test_a_worker_that_keeps_dying_ends_the_server_where_no_other_serves() -> None:
    with supervised(f"{WORKER}\nsys.exit(1)", workers=3) as running:
        assert running.end() == 1
        assert running.count("worker started") == DEATHS_MAX
        assert running.lines[-1].startswith(f"giving up: worker 1 died {DEATHS_MAX} times")


def test_a_worker_that_ended_for_good_leaves_the_others() -> None:
    with supervised(PLAY, workers=2) as running:
        pids = dict(serving(running.wait_for("serving")) for _ in range(2))
        os.kill(pids[1], signal.SIGTERM)
        running.wait_for(f"worker {pids[1]} ended for good; 1 other goes on")
        assert ask(running.port) == pids[2]
        os.kill(pids[2], signal.SIGTERM)
        assert running.end() == 0


def test_a_reload_replaces_all() -> None:
    with supervised(PLAY, workers=3) as running:
        old = dict(serving(running.wait_for("serving")) for _ in range(3))
        ask(running.port, b"reload")
        new = dict(serving(running.wait_for("serving")) for _ in range(3))
        assert sorted(new) == [1, 2, 3]
        assert not set(new.values()) & set(old.values())
        assert running.count("stopped") == 2
        # Nothing went wrong, and nothing is told as if it had.
        told = [line for line in running.lines if line.endswith("; reloading")]
        assert len(told) == 3
        assert not any("restarting" in line for line in running.lines)


def test_while_the_store_is_away_a_worker_that_served_comes_back_for_as_long_as_it_takes(
    tmp_path: Path,
) -> None:
    away = tmp_path / "away"
    worker = (
        f"{TALK}\nif os.path.exists({str(away)!r}): say('away'); sys.exit({EXIT_STORE})\nserve()\n"
    )
    with supervised(worker) as running:
        running.wait_for("serving")
        away.touch()
        ask(running.port, b"die")
        for _ in range(3):
            running.wait_for("away")
        away.unlink()
        running.wait_for("serving")


def test_a_store_that_is_away_at_the_first_start_is_a_wrong_setting() -> None:
    with supervised(f"{WORKER}\nsys.exit({EXIT_STORE})", workers=2) as running:
        assert running.end() == EXIT_CONFIG
        assert running.count("worker started") == 1
