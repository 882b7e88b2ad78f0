"""What makes a game one that can be served: its class attributes, checked before rooms are made."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from .columns import Kind
from .entities import Entity, Player, Room
from .errors import ConfigError
from .fields import Field
from .inputs import Action, Input, Options
from .limits import (
    ACTION_BYTES_MAX,
    ACTIONS_MAX,
    ACTIONS_PER_ITEM_MAX,
    HISTORY_TICKS,
    INBOX_ITEMS_MAX,
    JOIN_HEAD_BYTES_MAX,
    JOURNAL_LAG_TICKS_MAX,
    MESSAGE_BYTES_MAX,
    OPTIONS_MAX,
    SEATS_MAX,
    SPAN_S_MAX,
    SPAN_TICKS_MAX,
    TABLES_MAX,
    TICK_RATE_MAX,
    TITLE_CHARS_MAX,
    VERSION_CHARS_MAX,
)

if TYPE_CHECKING:
    from .game import Game

# What a JOIN asks of any room, beside the game's own options.
RESERVED_OPTIONS = ("room", "bots", "private")

HOOKS: Mapping[str, tuple[str, ...]] = {
    "start": ("match",),
    "migrate": ("match", "version"),
    "join": ("match", "player"),
    "leave": ("match", "player"),
    "act": ("match", "player", "action"),
    "step": ("match", "inputs"),
    "visible": ("match", "player"),
}
"""What each hook takes, beside the game itself."""

# The most bytes of msgpack a value takes; a text has a head of three and its characters, of which
# each is counted as one byte: what is refused here cannot be sent in any script.
_VALUE_BYTES = {Kind.ANGLE: 3, Kind.REF: 5, Kind.FLAG: 1}
_NUMBER_BYTES = 9
_TEXT_HEAD_BYTES = 3


def check_game(game: Game) -> None:
    """ConfigError if the class attributes make no game; says what would."""
    name = type(game).__name__
    _check_numbers(name, game)
    _check_seconds(name, game)
    if not (type(game.title) is str and len(game.title) <= TITLE_CHARS_MAX):
        raise ConfigError(
            f"{name}.title is {game.title!r}; expected a text of at most {TITLE_CHARS_MAX} "
            "characters"
        )
    _check_versions(name, game.version, game.compatible)
    parts: tuple[tuple[str, object, type], ...] = (
        ("entities", game.entities, Entity),
        ("past_entities", game.past_entities, Entity),
        ("actions", game.actions, Action),
        ("input", (game.input,), Input),
        ("room", (game.room,), Room),
        ("player", (game.player,), Player),
        ("options", (game.options,), Options),
    )
    for attribute, classes, base in parts:
        _check_classes(f"{name}.{attribute}", classes, base)
    _check_tables(name, game)
    _check_references(name, game)
    _check_names(name, game)
    _check_options(name, game)
    _check_messages(name, game)
    _check_hooks(name, game)


def _check_hooks(name: str, game: Game) -> None:
    """Hooks are plain functions: what is `async`, or has a `yield`, would never run."""
    for hook, takes in HOOKS.items():
        function: Any = getattr(game, hook, None)
        expected = f"def {hook}({', '.join(('self', *takes))})"
        if not callable(function):
            raise ConfigError(f"{name}.{hook} is {function!r}; expected {expected}")
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigError(f"{name}.{hook} is async; nothing in a game is: write {expected}")
        if inspect.isgeneratorfunction(function) and hook != "visible":
            raise ConfigError(f"{name}.{hook} has a `yield`, so it would never run; leave it out")
        try:
            inspect.signature(function).bind(*takes)
        except TypeError:
            has = inspect.signature(function)
            raise ConfigError(f"{name}.{hook} takes {has}; expected {expected}") from None
        except ValueError:
            # It is not written in Python, and does not say what it takes.
            continue


def _check_numbers(name: str, game: Game) -> None:
    back, lives = game.rewind_ticks_max, game.event_ticks
    numbers: tuple[tuple[str, object, int, int], ...] = (
        ("tick_rate", game.tick_rate, 1, TICK_RATE_MAX),
        ("send_every", game.send_every, 1, game.tick_rate),
        ("seats", game.seats, 1, SEATS_MAX),
        ("event_ticks", 0 if lives is None else lives, 0, SPAN_TICKS_MAX),
        ("input_hold_ticks", game.input_hold_ticks, 0, SPAN_TICKS_MAX),
        ("input_backlog_ticks", game.input_backlog_ticks, 0, INBOX_ITEMS_MAX),
        # An item's actions are applied together.
        (
            "actions_per_tick_max",
            game.actions_per_tick_max,
            ACTIONS_PER_ITEM_MAX,
            INBOX_ITEMS_MAX * ACTIONS_PER_ITEM_MAX,
        ),
        ("journal_lag_ticks_max", game.journal_lag_ticks_max, 0, JOURNAL_LAG_TICKS_MAX),
        # What is older than the history would not be known after a restart.
        ("rewind_ticks_max", 1 if back is None else back, 1, HISTORY_TICKS),
    )
    for attribute, number, least, most in numbers:
        if type(number) is not int or not least <= number <= most:
            raise ConfigError(
                f"{name}.{attribute} is {number!r}; expected a whole number from {least} to {most}"
            )


def _check_seconds(name: str, game: Game) -> None:
    spans: tuple[tuple[str, object], ...] = (
        ("grace_s", game.grace_s),
        ("room_empty_s", game.room_empty_s),
        ("finished_s", game.finished_s),
    )
    for attribute, span in spans:
        if not _is_span(span):
            raise ConfigError(
                f"{name}.{attribute} is {span!r}; expected seconds from 0 to {SPAN_S_MAX} (30 days)"
            )


def _is_span(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    # NaN lies in no range.
    return 0 <= value <= SPAN_S_MAX


def _check_versions(name: str, version: object, compatible: object) -> None:
    if not _is_version(version):
        raise ConfigError(f"{name}.version is {version!r}; expected a text, as in version = '2'")
    older = cast("tuple[object, ...]", compatible) if isinstance(compatible, tuple) else None
    if older is None or not all(map(_is_version, older)):
        raise ConfigError(
            f"{name}.compatible is {compatible!r}; name the older versions in a tuple, as in "
            "compatible = '1',"
        )
    if version in older:
        raise ConfigError(f"{name}.compatible names {version!r}, which is its own version")


def _is_version(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= VERSION_CHARS_MAX


def _check_classes(what: str, classes: object, base: type) -> None:
    if not isinstance(classes, tuple):
        raise ConfigError(f"{what} must be a tuple, as in `{what.split('.')[1]} = Tank,`")
    for part in cast("tuple[object, ...]", classes):
        if not (isinstance(part, type) and issubclass(part, base)):
            raise ConfigError(f"{what} holds {part!r}; expected a class of {base.__name__}")


def _check_tables(name: str, game: Game) -> None:
    kinds = game.kinds
    if len(kinds) > TABLES_MAX:
        raise ConfigError(f"{name} has {len(kinds)} tables; at most {TABLES_MAX}")
    if any(issubclass(kind, Room | Player) for kind in game.entities):
        raise ConfigError(f"{name}: name the Room in `room`, the Player in `player`")
    for kind in game.past_entities:
        if kind not in (Room, Player, *kinds):
            raise ConfigError(
                f"{name}.past_entities holds {kind.__name__}, which is not in "
                f"{name}.entities; add it there"
            )
    if len(game.actions) > ACTIONS_MAX:
        raise ConfigError(f"{name} has {len(game.actions)} actions; at most {ACTIONS_MAX}")


def _check_references(name: str, game: Game) -> None:
    kinds = game.kinds
    parts: tuple[type[Any], ...] = (*kinds, game.input, *game.actions, game.options)
    for part in parts:
        for key, field in part._fields.items():
            if field.table not in (None, Room, Player, *kinds):
                raise ConfigError(
                    f"{part.__name__}.{key} refers to {field.table.__name__}, "
                    f"which is not in {name}.entities; add it there"
                )


def _check_names(name: str, game: Game) -> None:
    for what, classes in (("tables", game.kinds), ("actions", game.actions)):
        names = [part.__name__ for part in classes]
        for one in names:
            if names.count(one) > 1:
                raise ConfigError(f"{name}: two of its {what} are called {one}; rename one")
            if one.startswith("_"):
                raise ConfigError(f"{name}: clients know {one} by its name; begin it with a letter")


def _check_options(name: str, game: Game) -> None:
    fields: dict[str, Field] = game.options._fields
    most = OPTIONS_MAX - len(RESERVED_OPTIONS)
    if len(fields) > most:
        raise ConfigError(f"{name} has {len(fields)} options; at most {most}")
    for key, field in fields.items():
        if key in RESERVED_OPTIONS:
            raise ConfigError(
                f"{game.options.__name__}.{key}: every room has an option of that name; "
                "choose another"
            )
        if field.kind is Kind.REF:
            raise ConfigError(
                f"{game.options.__name__}.{key} refers to a row; there is none before the room is"
            )


def _check_messages(name: str, game: Game) -> None:
    for part in (game.input, *game.actions):
        _check_bytes(f"{name}: {part.__name__}", part._fields, ACTION_BYTES_MAX)
    head = JOIN_HEAD_BYTES_MAX + sum(len(key) + 2 for key in game.options._fields)
    most = MESSAGE_BYTES_MAX - head
    _check_bytes(f"{name}: {game.options.__name__}", game.options._fields, most)


def _check_bytes(what: str, fields: dict[str, Field], most: int) -> None:
    taken = {key: _bytes(field) for key, field in fields.items()}
    if sum(taken.values()) > most:
        raise ConfigError(
            f"{what} takes up to {sum(taken.values())} bytes ({_summed(taken.items())}); "
            f"a message has room for {most}"
        )


def _bytes(field: Field) -> int:
    if field.kind is Kind.TEXT:
        return _TEXT_HEAD_BYTES + int(cast("float", field.hi))
    return _VALUE_BYTES.get(field.kind, _NUMBER_BYTES)


def _summed(taken: Iterable[tuple[str, int]]) -> str:
    """The largest summands by name, then the rest in one."""
    ordered = sorted(taken, key=lambda item: -item[1])
    shown = [f"{key} {count}" for key, count in ordered[:3]]
    rest = sum(count for _, count in ordered[3:])
    return " + ".join([*shown, *([f"{rest} of others"] if rest else [])])


__all__ = ["RESERVED_OPTIONS", "check_game"]
