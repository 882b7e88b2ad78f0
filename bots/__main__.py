"""The command line: `python -m bots play` and `python -m bots swarm`."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from math import isfinite
from random import Random, SystemRandom
from typing import Any, TypeVar

from shared.errors import ConfigError
from shared.limits import NAME_CHARS_MAX, OPTIONS_MAX
from shared.messages import Role

from . import report as report_module
from .address import play_url
from .brains import game_name, load_brain
from .clock import LoopClock
from .counters import asker
from .line import Transport
from .report import Report
from .screen import Screen
from .status import Status
from .swarm import Plan, Swarm
from .websocket import open_websocket

DEFAULT_URL = "ws://localhost:8080"
COUNT_MAX = 20_000

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2

T = TypeVar("T")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    arguments = _parser().parse_args(argv)
    try:
        plan = _plan(arguments)
        load_brain(arguments.brain)
        found = _run(_play(plan, arguments))
    except (ConfigError, OSError) as error:
        print(f"bots: {error}", file=sys.stderr)
        return EXIT_USAGE
    return _tell(found, arguments)


def _plan(arguments: argparse.Namespace) -> Plan:
    """What was asked for; ConfigError where that cannot be."""
    options = dict(arguments.options)
    if arguments.room:
        options["room"] = arguments.room
    if len(options) > OPTIONS_MAX:
        raise ConfigError(f"{len(options)} options are too many; at most {OPTIONS_MAX}")
    arguments.brain = arguments.brain or arguments.game
    plays = arguments.command == "play"
    if not plays:
        arguments.watch = False
    elif arguments.watch is None:
        arguments.watch = sys.stdout.isatty() and not arguments.json
    return Plan(
        url=play_url(arguments.url),
        game=game_name(arguments.game),
        count=arguments.count,
        seconds=arguments.seconds,
        arrive_s=0.5 if plays else min(arguments.arrive_s, arguments.seconds / 2),
        churn=0.0 if plays else arguments.churn,
        options=options,
        role=Role.SPECTATOR if arguments.spectate else Role.PLAYER,
        name=arguments.name,
        again=plays,
        transport=Transport(arguments.transport),
    )


async def _play(plan: Plan, arguments: argparse.Namespace) -> Report:
    rng = SystemRandom() if arguments.seed is None else Random(arguments.seed)
    swarm = Swarm(
        plan,
        lambda: load_brain(arguments.brain),
        connect=open_websocket,
        clock=LoopClock(),
        rng=rng,
        ask=asker(plan.url),
    )

    def end() -> None:
        # What the bots still have to settle takes a moment, which nobody should watch.
        swarm.stop()
        if isinstance(shown, Screen):
            shown.close()

    shown: Screen | Status
    if arguments.watch:
        # The report is what stdout is for when it is JSON.
        output = sys.stderr if arguments.json else sys.stdout
        shown = Screen(plan.game, lambda: swarm.bots, end, LoopClock(), output=output)
        shown.open()
    else:
        shown = Status()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, end)
        except NotImplementedError:  # Windows: Ctrl-C raises KeyboardInterrupt there.
            break
    try:
        return await swarm.run(shown.show)
    finally:
        shown.close()


def _tell(found: Report, arguments: argparse.Namespace) -> int:
    if arguments.json:
        print(json.dumps(found.values, indent=2))
    elif arguments.command == "swarm":
        print(found.table())
    if arguments.command == "play":
        return EXIT_OK
    for failure in found.failures:
        print(f"bots: FAILED: {failure}", file=sys.stderr)
    return EXIT_FAILED if found.failures else EXIT_OK


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bots",
        description="Players without a screen, over the real protocol.",
    )
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", help="each has a --help of its own"
    )
    shared = _shared()
    play = commands.add_parser(
        "play",
        parents=[shared],
        help="let a few bots play until Ctrl-C",
        description="Let bots play until Ctrl-C, with a status line a second. Bots whose room "
        "ends look for another.",
    )
    play.add_argument("--count", type=_whole(1, COUNT_MAX), default=4, help="bots (default 4)")
    text = (
        "show what one bot sees: on a terminal a live view (default there; q quits, tab shows "
        "the next bot), elsewhere a line a second"
    )
    watch = argparse.BooleanOptionalAction
    play.add_argument("--watch", action=watch, default=None, help=text)
    play.add_argument("--seconds", type=_number(0.1), help="stop after this long (default: Ctrl-C)")
    _swarm(
        commands.add_parser(
            "swarm",
            parents=[shared],
            formatter_class=argparse.RawDescriptionHelpFormatter,
            help="a crowd for so many seconds, and a report on what it saw",
            description="Let a crowd play, compare every view and every input with the server, and "
            "report.\nThe exit status is 0 if nothing was lost, doubled, different or unchecked;"
            "\n1 if something was, named on stderr; 2 if the swarm could not begin.",
            epilog=_keys(),
        )
    )
    return parser


def _swarm(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--count", type=_whole(1, COUNT_MAX), default=100, help="bots at any time (default 100)")
    add("--seconds", type=_number(0.1), default=30.0, help="how long to play (default 30)")
    text = "spread the arrivals over this long, at most half of --seconds (default 2)"
    add("--arrive-s", type=_number(0), default=2.0, metavar="SECONDS", help=text)
    text = "share of the bots that leave and are replaced each minute, as 0.1 (default 0)"
    add("--churn", type=_number(0), default=0.0, metavar="SHARE", help=text)


def _shared() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    add = parser.add_argument
    text = (
        "a name (coins), a class (mypkg.mygame:MyGame) or a file (./mygame.py); the server must "
        "serve it (default coins)"
    )
    add("--game", default="coins", metavar="GAME", help=text)
    text = (
        "where the brain is, named as games are, or 'wanderer' for random inputs (default: the "
        "game's own brain, else random inputs)"
    )
    add("--brain", metavar="BRAIN", help=text)
    add("--url", default=DEFAULT_URL, help=f"the server, ws:// or wss:// (default {DEFAULT_URL})")
    add("--room", metavar="ID", help="join exactly this room (default: any open one)")
    text = (
        "the room's options, and 'bots' and 'private': whole and other numbers, true, false, text"
    )
    form: dict[str, Any] = {"nargs": "+", "action": "extend", "default": []}
    add("--options", type=_option, metavar="NAME=VALUE", help=text, **form)
    text = (
        "websocket, polling, or auto: polling where no WebSocket gets through, and back again "
        "(default websocket)"
    )
    add("--transport", choices=[*map(str, Transport)], default="websocket", help=text)
    add("--name", type=_name, default="bot", help="what the players are called (default bot)")
    add("--spectate", action="store_true", help="only watch")
    add("--seed", type=int, help="make chance repeatable: names of seats, brains, arrivals, churn")
    add("--json", action="store_true", help="print the report as JSON on stdout")
    return parser


def _keys() -> str:
    """The part of the report's own documentation that explains its keys."""
    text = report_module.__doc__ or ""
    return text[text.find("The report's keys") :]


def _whole(lo: int, hi: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and lo <= int(text) <= hi):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {lo} to {hi}")
        return int(text)

    return read


def _number(lo: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not lo <= value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {lo:g} up")
        return value

    return read


def _name(text: str) -> str:
    # The number of the bot is put behind it.
    most = NAME_CHARS_MAX - 6
    if not 0 < len(text) <= most:
        raise argparse.ArgumentTypeError(f"give 1 to {most} characters")
    return text


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is no option; expected NAME=VALUE")
    if value in ("true", "false"):
        return name, value == "true"
    try:
        return name, int(value)
    except ValueError:
        pass
    try:
        number = float(value)
    except ValueError:
        return name, value
    return name, number if isfinite(number) else value


if __name__ == "__main__":
    sys.exit(main())
