"""How the text of a setting becomes its value: one reader for each kind.

A reader takes the text of a flag or a variable and returns the value, or raises `ValueError` with
what would be right. Readers look at nothing but the text.
"""

from __future__ import annotations

import math
import re
import signal
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple, TypeVar
from urllib.parse import parse_qsl, urlsplit

E = TypeVar("E", bound=StrEnum)

SECRET_CHARS_MIN = 32
# What has a worker write its stacks; nothing else here uses it.
STACK_SIGNAL = getattr(signal, "SIGUSR1", signal.SIGINT)
# Long enough for any real value, short enough for a line in a terminal.
QUOTED_CHARS_MAX = 80


class LogFormat(StrEnum):
    """One line for people, or one JSON object a line."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """The least level logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Inherited(NamedTuple):
    """What a supervisor hands to its worker: file descriptors, and the worker's number.

    `page` is the memory its workers are watched by, `stacks` the file it writes its stacks to.
    """

    listener: int
    lifeline: int
    page: int
    stacks: int
    number: int


def whole(least: int, most: int) -> Callable[[str], int]:
    """Read a whole number in [least, most]."""

    def read(text: str) -> int:
        if re.fullmatch(r"-?[0-9]{1,18}", text) and least <= int(text) <= most:
            return int(text)
        raise ValueError(f"give a whole number from {least} to {most}")

    return read


def seconds(least: float, most: float) -> Callable[[str], float]:
    """Read a duration in [least, most], in seconds."""

    def read(text: str) -> float:
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
            value = float(text)
            if math.isfinite(value) and least <= value <= most:
                return value
        raise ValueError(f"give a number of seconds from {least:g} to {most:g}")

    return read


def share(text: str) -> float:
    """Read a part of a whole, from 0.01 to 1."""
    if re.fullmatch(r"[01](\.[0-9]{1,9})?", text) and 0.01 <= float(text) <= 1:
        return float(text)
    raise ValueError("give a number from 0.01 to 1")


def choice(kind: type[E]) -> Callable[[str], E]:
    """Read one value of an enumeration of lower-case words, in any case."""

    def read(text: str) -> E:
        try:
            return kind(text.lower())
        except ValueError:
            raise ValueError(f"give {' or '.join(kind)}") from None

    return read


def switch(text: str) -> bool:
    """Read yes or no."""
    if text.lower() in {"1", "yes", "true", "on"}:
        return True
    if text.lower() in {"0", "no", "false", "off"}:
        return False
    raise ValueError("give yes or no")


def address(text: str) -> str:
    """Read an address or a host name; whether it is one of this machine's shows when binding."""
    if re.fullmatch(r"[0-9A-Za-z.:%_-]{1,255}", text):
        return text
    raise ValueError("give an address of this machine, such as 0.0.0.0, 127.0.0.1 or ::")


def store_url(text: str) -> str:
    """Read where the journal lives; the store itself reads what follows the colon."""
    if text == "memory:" or re.fullmatch(r"sqlite:[^?\0]+(\?synchronous=(normal|full))?", text):
        return text
    if re.fullmatch(r"rediss?://[^\s\0]+", text):
        return text
    raise ValueError(
        "give memory:, sqlite:PATH or redis://HOST:PORT/DB, such as sqlite:var/holdfast.db"
    )


def room_list(text: str) -> tuple[tuple[str, dict[str, str]], ...]:
    """Read rooms to keep open, as in `coins?bots=2,arena?bots=5&level=2`: options as written."""
    rooms: list[tuple[str, dict[str, str]]] = []
    for part in text.split(","):
        name, _, query = part.strip().partition("?")
        if not name:
            raise ValueError("give rooms as GAME?OPTION=VALUE&..., with commas between")
        rooms.append((name, dict(parse_qsl(query, keep_blank_values=True))))
    return tuple(rooms)


def game_list(text: str) -> tuple[str, ...]:
    """Read a list of games: names in games/, `module:Class`, or files."""
    name = r"[a-z][a-z0-9_]*"
    module = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*"
    file = r"[^,\0]+\.py(:[A-Za-z_]\w*)?"
    listed = tuple(part.strip() for part in text.split(",") if part.strip())
    for part in listed:
        if not re.fullmatch(f"{name}|{module}|{file}", part):
            raise ValueError(
                f"{quoted(part)} is none of: a name (coins), a class (mypkg.mygame:MyGame), "
                "a file (./mygame.py)"
            )
    if not listed:
        raise ValueError("give at least one game, such as coins or ./mygame.py")
    if len(set(listed)) < len(listed):
        raise ValueError("give each game once")
    return listed


def signing_key(text: str) -> str:
    """Read the key that signs session tokens; it is never quoted back."""
    if len(text) >= SECRET_CHARS_MIN:
        return text
    raise ValueError(
        f"{len(text)} characters are too few; give at least {SECRET_CHARS_MIN}, "
        "the same for every process"
    )


def origin_list(text: str) -> tuple[str, ...]:
    """Read the origins of pages (RFC 6454 section 7) that may connect, lower-cased."""
    listed = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    for part in listed:
        if not is_origin(part):
            raise ValueError(
                f"{quoted(part)} is no origin; give scheme and host, and the port where it is not "
                "the scheme's own, such as https://play.example.com"
            )
    if not listed:
        raise ValueError("give at least one origin, such as https://play.example.com")
    return listed


def inherited_fds(text: str) -> Inherited:
    """Read the descriptors and the number of a worker."""
    if re.fullmatch(r"[0-9]{1,6}(,[0-9]{1,6}){4}", text):
        return Inherited(*map(int, text.split(",")))
    raise ValueError(
        "leave it out: only the supervisor gives it, as LISTENER,LIFELINE,PAGE,STACKS,NUMBER"
    )


def is_origin(text: str) -> bool:
    """Say whether a lower-cased text is an origin as browsers write it."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme not in {"http", "https"} or port == 0:
        return False
    # Browsers leave the scheme's own port out, so an origin that names it would never match.
    if port == {"http": 80, "https": 443}[parts.scheme]:
        return False
    authority = r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?"
    return re.fullmatch(rf"{parts.scheme}://{authority}", text) is not None


def without_password(text: str) -> str:
    """Leave out what may be user and password of an address: all before its last @."""
    before, at, after = text.rpartition("@")
    scheme = re.match(r"[a-z]{0,16}:/{1,2}", before)
    return f"{scheme[0] if scheme else ''}***@{after}" if at else text


def quoted(text: str) -> str:
    """Show outside text on one line, its control characters escaped, cut where it is long."""
    shown = ascii(text)
    return shown if len(shown) <= QUOTED_CHARS_MAX else shown[: QUOTED_CHARS_MAX - 4] + "...'"
