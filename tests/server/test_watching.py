"""The watchdog with small scripts for workers: real processes that hang in real ways."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path

import pytest

from server.restarts import Backoff
from server.watch_page import WatchPage
from server.watchdog import BEAT_SHARED_S
from server.watching import Watching
from server.worker_process import WorkerProcess
from tests.server.supervised import WORKER, supervised

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the supervisor is for POSIX")

ROOM = "coins123"
LOG = logging.getLogger("tests.watching")
WATCHDOG_S = 0.6
INDENT = "\n        "

# The first process of worker 1 does as the test says, once its loop has turned; later ones and
# others only say what they find on the page, and serve until they are ended.
BEAT = (
    WORKER
    + """
import asyncio
from server.heartbeat import Heartbeat
from server.listening import adopt, say_serving
listener = adopt(inherited)
heart = Heartbeat(inherited, f"local-{inherited.number}-{os.getpid()}")
first = inherited.number == 1 and not os.path.exists(MARKER)
def enter(): heart.marker.enter("coins123", "coins", "step")
async def serve():
    heart.begin()
    await asyncio.sleep(0)
    say_serving(inherited)
    say("serving", inherited.number, os.getpid(), [one.reason for one in heart.sentenced()])
    if first:
        open(MARKER, "w").close()
        MISBEHAVE
    await asyncio.sleep(3600)
asyncio.run(serve())
"""
)


def script(folder: Path, misbehave: str) -> str:
    marker = repr(str(folder / "was-here"))
    return BEAT.replace("MARKER", marker).replace("MISBEHAVE", misbehave)


def game(folder: Path, body: str) -> str:
    """Lines that import a game file with this `step`, and call it in a room."""
    (folder / "walk.py").write_text(f"import re, time\ndef step():\n    {body}\n")
    return f"sys.path.insert(0, {str(folder)!r}); import walk; enter(); walk.step()"


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "time.sleep(60)",
        # One call of C that keeps the interpreter to itself for years.
        "re.match(r'(a+)+$', 'a' * 64 + 'b')",
    ],
)
def test_a_worker_stuck_in_a_game_is_ended_with_its_stack_and_the_next_knows_the_room(
    tmp_path: Path, body: str
) -> None:
    worker = script(tmp_path, game(tmp_path, body))
    with supervised(worker, workers=2, watchdog_s=WATCHDOG_S, folder=str(tmp_path)) as running:
        pid = int(running.wait_for("serving 1").split()[2])
        told = running.wait_for(f"worker {pid} is silent for")
        assert f"in room {ROOM}, where coins: step did not return for" in told
        assert "(walk.py:3): killed; the other rooms go on" in told
        running.wait_for(f"worker {pid} died by SIGKILL; restarting")
        again = running.wait_for("serving 1")
        assert "step did not return for" in again
        assert "(walk.py:3)" in again
        stack = "\n".join(running.lines)
        assert f'File "{tmp_path}/walk.py", line 3 in step' in stack
        # The other worker, which may be about to serve, has been the same process all along.
        assert running.count("serving 2") <= 1
        assert running.count("worker started") == 3


def test_a_worker_stuck_in_no_room_is_ended_and_no_room_is_convicted(tmp_path: Path) -> None:
    with supervised(script(tmp_path, "time.sleep(60)"), watchdog_s=WATCHDOG_S) as running:
        pid = int(running.wait_for("serving 1").split()[2])
        assert "in no room: killed" in running.wait_for(f"worker {pid} is silent for")
        assert running.wait_for("serving 1").endswith("[]")


def test_a_worker_that_is_stopped_from_outside_is_ended_and_no_room_is_convicted(
    tmp_path: Path,
) -> None:
    worker = script(tmp_path, "enter(); os.kill(os.getpid(), signal.SIGSTOP)")
    with supervised(worker, watchdog_s=WATCHDOG_S) as running:
        pid = int(running.wait_for("serving 1").split()[2])
        told = running.wait_for(f"worker {pid} is silent for")
        assert told.endswith("and does not run at all: killed; its rooms go on")
        assert running.wait_for("serving 1").endswith("[]")


def test_without_a_watchdog_a_stuck_worker_stays(tmp_path: Path) -> None:
    """The control: nothing else ends it."""
    worker = script(tmp_path, "enter(); time.sleep(3 * 0.6); say('back')")
    with supervised(worker) as running:
        running.wait_for("back")
        assert running.count("worker started") == 1


def test_a_worker_that_is_late_by_less_than_the_limit_stays(tmp_path: Path) -> None:
    lines = ["for _ in range(6):", "    enter(); time.sleep(0.3); heart.marker.leave()"]
    late = INDENT.join([*lines, "    await asyncio.sleep(0.3)", "say('back')"])
    with supervised(script(tmp_path, late), watchdog_s=1.0) as running:
        running.wait_for("back")
        assert running.count("worker started") == 1


def test_a_worker_whose_thread_is_traced_stays(tmp_path: Path) -> None:
    lines = ["sys.settrace(lambda *_: None)", "await asyncio.sleep(0.3)"]
    late = INDENT.join([*lines, "enter(); time.sleep(3 * 0.6); say('back')"])
    with supervised(script(tmp_path, late), watchdog_s=WATCHDOG_S) as running:
        running.wait_for("back")
        assert running.count("worker started") == 1


def test_a_worker_that_hangs_again_and_again_before_it_serves_is_not_given_up(
    tmp_path: Path,
) -> None:
    """Each time one more room is put aside, so there is an end to it."""
    count = tmp_path / "count"
    count.write_text("0")
    hang = f"""
    n = int(open({str(count)!r}).read())
    open({str(count)!r}, "w").write(str(n + 1))
    if n < 3:
        heart.marker.enter(f"room000{{n}}", "coins", "step"); time.sleep(60)
"""
    worker = BEAT.replace("MARKER", repr(str(count))).replace(
        "    say_serving(inherited)\n", hang + "    say_serving(inherited)\n"
    )
    # A delay this long would outlast the test: restarts after a conviction are at once.
    with supervised(worker, watchdog_s=WATCHDOG_S, delays="3600") as running:
        line = running.wait_for("serving 1")
        assert line.count("step did not return") == 3
        assert running.count("worker started") == 4


def test_a_stuck_worker_that_ignores_signals_to_stop_is_ended_as_well(tmp_path: Path) -> None:
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN); say('deaf'); enter(); time.sleep(60)"
    worker = script(tmp_path, deaf)
    with supervised(worker, watchdog_s=WATCHDOG_S, stop_s=3600) as running:
        running.wait_for("deaf")
        running.process.send_signal(signal.SIGTERM)
        assert running.end() == 1
        assert any("is silent for" in line for line in running.lines)


@pytest.mark.parametrize("wanted", [True, False])
def test_one_more_worker_starts_when_a_room_is_too_slow_beside_others(
    tmp_path: Path, wanted: bool
) -> None:
    worker = script(tmp_path, "").replace(
        "heart.begin()", "heart.begin(lambda: inherited.number == 1)"
    )
    with supervised(worker, workers=2, slow_worker=wanted) as running:
        served = {running.wait_for("serving").split()[1] for _ in range(2)}
        if wanted:
            assert running.wait_for("serving").split()[1] == "3"
            assert any("has a room that is too slow" in line for line in running.lines)
        assert served == {"1", "2"}
        running.process.send_signal(signal.SIGTERM)
        running.end()
        assert running.count("worker started") == 2 + wanted, "one, and once"


class Silent(WorkerProcess):
    """A worker of which only its slot counts here."""

    def __init__(self) -> None:
        super().__init__(1, (), Backoff())

    @property
    def alive(self) -> bool:
        return True


def test_others_are_told_of_a_worker_that_is_stuck_again_and_again_and_when_it_is_not() -> None:
    now, told = [0.0], list[tuple[str, str]]()
    page = WatchPage.make()

    def tell(process: str, room: str) -> None:
        told.append((process, room))

    watching = Watching(page, 5.0, (), LOG, clock=lambda: now[0], tell=tell)
    worker, writer = Silent(), page.writer(1, "local-1-abcd")
    watching.begin(worker)

    def passes(seconds: float) -> None:
        for _ in range(round(seconds / BEAT_SHARED_S)):
            now[0] += BEAT_SHARED_S
            watching.look([worker])

    writer.beat(traced=False)
    passes(1.0)
    assert told == [], "silent, and in no room"
    writer.beat(traced=False)
    writer.enter(ROOM, "coins", "step")
    passes(0.2)
    assert told == [("local-1-abcd", ROOM)]
    writer.leave()
    writer.beat(traced=False)
    passes(0.1)
    assert told == [("local-1-abcd", ROOM), ("local-1-abcd", "")]
    writer.enter(ROOM, "coins", "step")
    writer.beat(traced=False)
    passes(4.9)
    assert told[2:] == [("local-1-abcd", ROOM)], "kept for twice the limit"
    page.close()
