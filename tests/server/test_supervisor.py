"""The supervisor with small scripts for workers, and real sockets, signals and deaths."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys

import pytest

from server.config import Config
from server.listening import describe, listen
from server.restarts import BACKOFF_S, DEATHS_MAX, DEATHS_WINDOW_S, LIVED_S, Backoff
from shared.errors import ConfigError
from tests.server.supervised import SERVE, WORKER, ask, is_gone, supervised

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the supervisor is for POSIX")


def test_connections_wait_while_a_killed_worker_is_replaced() -> None:
    # The delay leaves no doubt that nobody accepts when the connections are made.
    with supervised(SERVE, delays="0.3") as running:
        running.wait_for("serving")
        first = ask(running.port, b"die")
        running.wait_for(f"worker {first} died by SIGKILL; restarting")
        waiting = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(5)]
        answers = set[int]()
        for connection in waiting:
            with connection, connection.makefile("rb") as reader:
                answers.add(int(reader.readline()))
                connection.sendall(b"hello")
        assert len(answers) == 1
        assert first not in answers
        assert running.count("worker started: pid") == 1
        running.wait_for(f"worker started: pid {answers.pop()}")


def test_without_a_supervisor_connections_are_refused() -> None:
    """The control: a dead listener's port refuses, so the test above can fail."""
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        ask(port)


@pytest.mark.parametrize("status", [0, 2])
def test_a_worker_that_ended_for_good_is_not_restarted(status: int) -> None:
    with supervised(f"{WORKER}\nsys.exit({status})") as running:
        assert running.end() == status
        assert running.count("worker started") == 1


def test_a_worker_that_keeps_crashing_is_given_up() -> None:
    # Ten interpreters start and end here.
    with supervised("import sys; sys.exit(1)") as running:
        assert running.end() == 1
        assert running.count("worker started") == DEATHS_MAX
        assert running.lines[-1].startswith(f"giving up: worker 1 died {DEATHS_MAX} times")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_stop_is_passed_on(number: signal.Signals) -> None:
    worker = f"""{WORKER}
signal.pthread_sigmask(signal.SIG_BLOCK, [{int(number)}])
listener = adopt(inherited)
say("ready")
say("told", int(signal.sigwait([{int(number)}])))
"""
    with supervised(worker) as running:
        running.wait_for("ready")
        running.process.send_signal(number)
        assert running.end() == 0
        assert running.count(f"told {int(number)}") == 1
        assert running.count("worker started") == 1


def test_a_worker_that_was_told_before_it_listened_has_stopped_well() -> None:
    with supervised(f"{WORKER}\nsay('ready'); time.sleep(60)") as running:
        running.wait_for("ready")
        running.process.terminate()
        assert running.end() == 0


def test_a_worker_that_fails_while_stopping_is_not_restarted() -> None:
    # A signal just before `signal.pause` would be slept through, until the supervisor kills; one
    # that is blocked waits for `sigwait`, however early it comes.
    worker = f"""{WORKER}
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
say("ready")
signal.sigwait([signal.SIGTERM])
sys.exit(7)
"""
    with supervised(worker) as running:
        running.wait_for("ready")
        running.process.terminate()
        assert running.end() == 7, running.lines
        assert running.count("worker started") == 1


STUBBORN = f"""{WORKER}
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
listener = adopt(inherited)
say("ready")
while signal.sigwait([signal.SIGINT]): say("told")
"""


def test_a_worker_that_does_not_stop_is_killed() -> None:
    with supervised(STUBBORN, stop_s=0.2) as running:
        running.wait_for("ready")
        running.process.terminate()
        assert running.end() == 1
        assert "did not stop within 0.2 s" in running.lines[-1]


def test_a_second_interrupt_kills() -> None:
    with supervised(STUBBORN) as running:
        running.wait_for("ready")
        running.process.send_signal(signal.SIGINT)
        running.wait_for("told")
        running.process.send_signal(signal.SIGINT)
        assert running.end() == 1
        assert "was interrupted twice" in running.lines[-1]


def test_a_signal_between_two_workers_ends_the_wait() -> None:
    with supervised("import sys; sys.exit(1)", delays="3600") as running:
        running.wait_for("worker ")
        running.wait_for("worker ")
        running.process.terminate()
        assert running.end() == 0
        assert running.count("worker started") == 1


def test_a_worker_dies_with_its_supervisor() -> None:
    with supervised(SERVE) as running:
        pid = int(running.wait_for("serving").split()[1])
        running.process.kill()
        assert is_gone(pid)


def test_a_worker_dies_with_its_supervisor_and_with_whoever_read_its_log() -> None:
    with supervised(SERVE) as running:
        pid = int(running.wait_for("serving").split()[1])
        assert running.process.stdout is not None
        running.process.stdout.close()
        running.process.kill()
        assert is_gone(pid)


def test_a_worker_that_ignores_the_lifeline_survives() -> None:
    """The control: it is the lifeline that ends a worker, not something else."""
    with supervised(f"{WORKER}\nsay('ready', os.getpid()); time.sleep(60)") as running:
        pid = int(running.wait_for("ready").split()[1])
        running.process.kill()
        running.process.wait()
        try:
            os.kill(pid, 0)
        finally:
            os.kill(pid, signal.SIGKILL)


def test_a_worker_inherits_neither_input_nor_more_than_it_was_told() -> None:
    worker = f"""{WORKER}
listener = adopt(inherited)
say("input", repr(sys.stdin.read()))
open_fds = [fd for fd in range(64) if os.path.exists(f"/dev/fd/{{fd}}")]
say("open", sorted(set(open_fds) - {{0, 1, 2, *inherited[:4]}}))
say("inheritable", [fd for fd in inherited[:4] if os.get_inheritable(fd)])
"""
    with supervised(worker) as running:
        assert running.end() == 0
        assert "input ''" in running.lines
        assert "open []" in running.lines
        assert "inheritable []" in running.lines


def test_backoff_restarts_at_once_then_slower_then_gives_up() -> None:
    backoff = Backoff()
    delays = [backoff.died(float(second), lived_s=0.1) for second in range(DEATHS_MAX)]
    assert delays[:4] == list(BACKOFF_S)
    assert set(delays[4:-1]) == {BACKOFF_S[-1]}
    assert delays[-1] is None


def test_backoff_forgets_after_a_life_and_never_gives_up_on_slow_deaths() -> None:
    backoff = Backoff()
    assert [backoff.died(0.0, 0.1), backoff.died(1.0, 0.1)] == list(BACKOFF_S[:2])
    assert backoff.died(10.0, LIVED_S + 0.1) == BACKOFF_S[0]
    slow = Backoff()
    apart_s = DEATHS_WINDOW_S / (DEATHS_MAX - 1) + 0.1
    assert all(slow.died(n * apart_s, lived_s=apart_s / 2) is not None for n in range(100))


def test_a_port_in_use_names_the_flag() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"--port {port}: another program.*HOLDFAST_PORT"):
            listen("127.0.0.1", port)


def test_an_address_of_another_machine_names_the_flag() -> None:
    # 192.0.2.0/24 is reserved for documentation (RFC 5737): no machine has it.
    with pytest.raises(ConfigError, match=r"--host 192\.0\.2\.1"):
        listen("192.0.2.1", 0)
    with pytest.raises(ConfigError, match="--host ::zz"):
        listen("::zz", 0)


def test_an_address_is_described_as_one_writes_it() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert describe(listener) == f"127.0.0.1:{listener.getsockname()[1]}"
    if socket.has_ipv6:
        with contextlib.suppress(ConfigError), listen("::1", 0) as listener:
            assert describe(listener) == f"[::1]:{listener.getsockname()[1]}"


SUPERVISE = """
import logging, sys
from server.config import Config
from server.supervisor import supervise
from shared.errors import ConfigError
logging.basicConfig(stream=sys.stdout, level="INFO", format="%(message)s")
try:
    sys.exit(supervise(Config(host="127.0.0.1", port=0), [sys.executable, "-c", ""],
                       logging.getLogger()))
except ConfigError as error:
    sys.exit(f"refused: {error}")
"""


def test_supervise_says_where_it_listens() -> None:
    assert Config().drain_s > 0
    done = subprocess.run(
        [sys.executable, "-c", SUPERVISE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stdout.startswith("listening on 127.0.0.1:")


def test_supervise_refuses_to_run_without_assertions() -> None:
    done = subprocess.run(
        [sys.executable, "-O", "-c", SUPERVISE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("refused: python -O")
    assert done.stdout == ""
