"""The live view: what it shows of a recorded session, in any size, and how it uses a terminal."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import termios
from collections.abc import Sequence
from contextlib import suppress

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.style import Style

from bots.charmap import Camera, Scene, Spot, draw, scene
from bots.clock import LoopClock
from bots.picture import Company, picture
from bots.plain import plain
from bots.screen import Screen
from bots.swarm import Progress
from bots.watch import LINES_KEPT, Watch
from tests.bots.yard import Arrow, Bang, Cart, Note, Recording, Wall, furnished

COMPANY = Company("yard", 1, 3)
PROGRESS = Progress(1.0, 1, 1, 20, 20, 1, 0, 0)


def shown(watch: Watch, columns: int = 110, lines: int = 34) -> list[str]:
    """The picture's lines on a console of this size."""
    console = Console(
        file=io.StringIO(), width=columns, height=lines, color_system=None, legacy_windows=False
    )
    made = picture(watch, Camera(), COMPANY, columns=columns, lines=lines)
    with console.capture() as capture:
        console.print(made, end="")
    return capture.get().splitlines()


def watched(recording: Recording) -> Watch:
    return Watch(recording.bot, recording.clock)


def at(lines: Sequence[str], letter: str) -> tuple[int, int]:
    """Where a letter stands, given that it stands in one place only."""
    found = [(line.index(letter), row) for row, line in enumerate(lines) if letter in line]
    assert len(found) == 1, (letter, found)
    return found[0]


def test_the_head_says_who_plays_where_and_how_it_fares() -> None:
    recording = furnished()
    watch = watched(recording)
    recording.tick()
    recording.tick()
    first, second = shown(watch)[1:3]
    assert "yard  room pnr6t4w97s3szuqmw7cd  Ada #2  live  bot 1 of 3" in first
    assert "tick 4  gap 50 ms (longest 50)  ack 0 of 3  skipped 0" in second
    assert "q: quit" in shown(watch)[3]


def test_the_map_shows_every_row_with_a_place_where_it_is() -> None:
    recording = furnished()
    text = "\n".join(shown(watched(recording)))
    lines = [line.split("││")[0] for line in text.splitlines()]
    own, other, arrow = at(lines[4:-8], "@"), at(lines[4:-8], "B Bob"), at(lines[4:-8], "↓")
    assert other[0] < arrow[0] < own[0]
    assert arrow[1] < own[1] < other[1]
    # The long wall above all, the short one right of the own cart.
    walls = [(row, line) for row, line in enumerate(lines[4:-8]) if "█" in line]
    top, right = walls[0][1], [line for row, line in walls if row >= own[1]]
    assert top.count("█") > 30
    assert right
    assert all(line.index("█") > own[0] for line in right)
    assert walls[0][0] < arrow[1]


def test_lists_show_what_the_map_does_not() -> None:
    text = "\n".join(shown(watched(furnished())))
    assert "Player 2" in text
    assert "@ Cart 2" in text
    assert "whose  load  laden" in text
    assert "Ada    7     no" in text
    assert "Bob    12    yes" in text
    assert "hello there" in text
    # Walls and arrows have nothing but a place.
    assert "Wall 2" not in text
    assert "finished" not in text


def test_the_log_tells_what_happened_and_counts_what_repeats() -> None:
    recording = furnished()
    watch, match = watched(recording), recording.match
    ada, bob = recording.players
    recording.tick(lambda: match.spawn(Bang(owner=bob, size=3)))
    recording.tick(lambda: match.spawn(Arrow(owner=ada)), lambda: match.spawn(Arrow(owner=ada)))
    for _ in range(2):
        recording.tick(lambda: match.despawn(match.all(Arrow)[0]))
    recording.tick(lambda: match.despawn(bob))
    recording.bot.troubled(1006, "connection lost")
    log = [(entry.text, entry.times) for entry in watch.log]
    assert log == [
        ("the session is live", 1),
        ("Bang size=3 by Bob", 1),
        ("Arrow +2", 1),
        ("Arrow -1", 2),
        ("Bob left", 1),
        ("socket lost: connection lost (1006)", 1),
    ]
    text = "\n".join(shown(watch))
    assert "Arrow -1  x2" in text
    assert "socket lost: connection lost (1006)" in text
    watch.end()
    recording.bot.troubled(1006, "again")
    assert len(watch.log) == len(log)


def test_the_log_forgets_what_is_old() -> None:
    recording = furnished()
    watch = watched(recording)
    for number in range(LINES_KEPT + 5):
        recording.bot.troubled(1006, f"loss {number}")
    assert len(watch.log) == LINES_KEPT
    assert watch.log[-1].text == f"socket lost: loss {LINES_KEPT + 4} (1006)"


def test_nothing_from_outside_acts_on_the_terminal() -> None:
    evil = "\x1b]0;title\x07\x1b[31m\u202eabc\x9b2J[bold]"
    recording = Recording(evil[:24], "王小明", "x" * 24, "[red]Eve[/red]")
    match = recording.match
    match.begin_tick()
    match.spawn(Note(words=evil))
    for owner, x in zip(recording.players, range(4), strict=True):
        match.spawn(Cart(owner=owner, x=x * 5))
    match.commit()
    recording.begin()
    watch = watched(recording)
    recording.bot.troubled(1006, evil)
    text = "\n".join(shown(watch))
    assert not any(
        ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in text if letter != "\n"
    )
    assert "\u202e" not in text
    assert "[bold]" in text
    assert "[red]Eve[/red]" in text
    assert "王小明" in text
    assert all(cell_len(line) <= 110 for line in text.splitlines())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Ada", "Ada"),
        ("a\tb\nc", "a b c"),
        ("\x1b[0m\x7f\x85", "·[0m· "),
        ("\u202eabc", "·abc"),
        ("x" * 50, "x" * 39 + "…"),
        (True, "yes"),
        (1.5, "1.50"),
        (float("nan"), "nan"),
        (12, "12"),
    ],
)
def test_plain_text(value: object, expected: str) -> None:
    assert plain(value) == expected


@pytest.mark.parametrize("size", [(110, 34), (96, 22), (95, 40), (60, 24), (40, 12), (20, 6)])
def test_a_picture_never_leaves_its_terminal(size: tuple[int, int]) -> None:
    columns, lines = size
    made = shown(watched(furnished()), columns, lines)
    assert len(made) <= lines
    assert all(cell_len(line) <= columns for line in made)
    if lines > 10:
        assert any("@" in line for line in made)


def test_before_the_first_frame_there_is_a_picture_too() -> None:
    recording = Recording("Ada")
    text = "\n".join(shown(watched(recording)))
    assert "No frame has come yet." in text
    assert "connecting" in text


def test_a_world_without_places_is_listed_only() -> None:
    recording = Recording("Ada")
    recording.match.begin_tick()
    recording.match.spawn(Note(words="only this"))
    recording.match.commit()
    recording.begin()
    text = "\n".join(shown(watched(recording)))
    assert "have no place" in text
    assert "only this" in text


def test_the_camera_stands_still_while_things_move_a_little() -> None:
    recording = furnished()
    session, camera = recording.bot.session, Camera()
    assert session.view is not None
    assert session.schema is not None
    first = camera.look(scene(session.view, session.schema))
    cart, wall = recording.match.all(Cart)[0], recording.match.all(Wall)[0]
    recording.tick(lambda: setattr(cart, "x", 3))
    assert camera.look(scene(session.view, session.schema)) == first
    recording.tick(lambda: setattr(cart, "x", 60))
    second = camera.look(scene(session.view, session.schema))
    assert first is not None
    assert second is not None
    assert second[2] > 60 > first[2]
    recording.tick(lambda: setattr(cart, "x", 0), lambda: setattr(wall, "w", 8))
    third = camera.look(scene(session.view, session.schema))
    assert third is not None
    assert third[2] < 60


def test_places_that_are_no_numbers_are_left_out() -> None:
    recording = furnished()
    session = recording.bot.session
    assert session.view is not None
    assert session.schema is not None
    cart = session.view.all(Cart)[0]
    cart.x = float("inf")
    found = scene(session.view, session.schema)
    assert [spot.name for spot in found.spots if spot.name] == ["Bob"]


def test_a_map_has_exactly_the_lines_and_columns_asked_for() -> None:
    spots = [Spot(x, y, "o", Style()) for x in (-9.0, 0.0, 9.0) for y in (-9.0, 0.0, 9.0)]
    found = Scene([], spots)
    text = draw(Camera().look(found), found, 60, 20)
    lines = text.plain.split("\n")
    assert [len(line) for line in lines] == [60] * 20
    assert sum(line.count("o") for line in lines) == 9
    # A step across is twice as many cells as one down, since cells are twice as high as wide.
    rows = [row for row, line in enumerate(lines) if "o" in line]
    first, second, _ = [column for column, letter in enumerate(lines[rows[0]]) if letter == "o"]
    assert abs((second - first) - 2 * (rows[1] - rows[0])) <= 1


async def test_elsewhere_than_on_a_terminal_there_is_a_line_a_second() -> None:
    recording, output = furnished(), io.StringIO()
    stopped: list[bool] = []
    screen = Screen(
        "yard", lambda: [recording.bot], lambda: stopped.append(True), LoopClock(), output=output
    )
    screen.open()
    screen.show(PROGRESS)
    recording.tick()
    screen.show(PROGRESS)
    screen.close()
    screen.show(PROGRESS)
    lines = output.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("    1.0 s  yard  room pnr6t4w97s3szuqmw7cd  Ada #2  live")
    assert lines[1].endswith("Player 2  Wall 2  Cart 2  Arrow 1  Note 1  Bang 0")
    assert "\x1b" not in output.getvalue()
    assert stopped == []


@pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])
async def test_a_terminal_is_taken_by_keys_and_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    bots = [furnished().bot, furnished().bot]
    stopped, seen = asyncio.Event(), bytearray()
    main, side = pty.openpty()
    before = termios.tcgetattr(side)
    os.set_blocking(main, False)
    with os.fdopen(os.dup(side), "w") as output, os.fdopen(os.dup(side), "r") as keys:
        screen = Screen("yard", lambda: bots, stopped.set, LoopClock(), output=output, keys=keys)
        screen.open()
        assert termios.tcgetattr(side) != before
        await until(main, seen, b"bot 1 of 2")
        os.write(main, b"\t")
        await until(main, seen, b"bot 2 of 2")
        os.write(main, b"xn")
        seen.clear()
        await until(main, seen, b"bot 1 of 2")
        assert not stopped.is_set()
        os.write(main, b"q")
        await asyncio.wait_for(stopped.wait(), 10)
        screen.close()
        screen.close()
        await until(main, seen, b"\x1b[?1049l")
    assert termios.tcgetattr(side) == before
    assert [bot.watcher for bot in bots] == [None, None]
    os.close(main)
    os.close(side)


async def until(terminal: int, seen: bytearray, wanted: bytes) -> None:
    """Read what was drawn until this is in it."""
    async with asyncio.timeout(10):
        while wanted not in seen:
            with suppress(BlockingIOError):
                seen += os.read(terminal, 65536)
            await asyncio.sleep(0.01)
