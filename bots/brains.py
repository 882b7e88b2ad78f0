"""Brains, and how they are found by name: what looks at a view and says what to do next."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Protocol, cast

from shared.errors import ConfigError
from shared.inputs import Action, Input
from shared.view import View

from .wanderer import Wanderer

Thought = Input | tuple[Input | None, Sequence[Action]] | None

WANDERER = "wanderer"


class Brain(Protocol):
    """Decides once a frame. It may hold state: every bot has a brain of its own."""

    def think(self, view: View, rng: Random, /) -> Thought:
        """The input for the next tick, alone or with actions; None or no input for none.

        `view.player` is the player's own id, 0 for a spectator; `rng` is the only chance.
        """
        ...


def load_brain(spec: str) -> Brain:
    """A new brain for a game, named as the server names games.

    "coins"                  the class with `think` in games.coins.brain
    "mypkg.mygame:MyGame"    the one in mypkg.brain if there is such a module, else in mypkg.mygame
    "./mygame.py"            the one in that file
    "wanderer"               random inputs, whatever the game

    Where there is no class with `think`, the brain is a `Wanderer`. ConfigError when a module or
    file cannot be loaded, or has several such classes of which none is clearly meant.
    """
    made = _maker(spec)
    try:
        return made()
    except Exception as error:
        raise ConfigError(
            f"the brain of {spec!r} could not be made: {type(error).__name__}: {error}"
        ) from error


def game_name(spec: str) -> str:
    """What a JOIN calls the game of this spec: the folder's, the module's or the file's name."""
    if _is_file(spec):
        return _path(spec).stem
    if ":" in spec:
        parts = spec.partition(":")[0].split(".")
        return parts[-2] if parts[-1] == "game" and len(parts) > 1 else parts[-1]
    return spec


def _maker(spec: str) -> Callable[[], Brain]:
    if spec == WANDERER:
        return Wanderer
    if _is_file(spec):
        return _thinker(_file_module(spec), spec) or Wanderer
    if ":" in spec:
        name = spec.partition(":")[0]
        parent = name.rpartition(".")[0]
        beside = _module(f"{parent}.brain" if parent else "brain", spec)
        found = beside and _thinker(beside, spec)
        if found:
            return found
        module = _module(name, spec)
        if module is None:
            raise ConfigError(f"{spec!r}: there is no module {name} on the Python path")
        return _thinker(module, spec) or Wanderer
    if not spec.isidentifier():
        raise ConfigError(
            f"{spec!r} is none of: a name (coins), a class (mypkg.mygame:MyGame), "
            "a file (./mygame.py)"
        )
    module = _module(f"games.{spec}.brain", spec)
    return (module and _thinker(module, spec)) or Wanderer


def _is_file(spec: str) -> bool:
    return spec.endswith(".py") or ".py:" in spec or "/" in spec or "\\" in spec


def _path(spec: str) -> Path:
    """The file of a spec; a class named behind it (./mygame.py:MyGame) is the game, no brain."""
    head, colon, name = spec.rpartition(":")
    return Path(head if colon and name.isidentifier() and head.endswith(".py") else spec)


def _module(name: str, spec: str) -> ModuleType | None:
    """The module, None when there is none; ConfigError when there is and it does not load."""
    try:
        if importlib.util.find_spec(name) is None:
            return None
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            return None
        raise ConfigError(f"{spec!r}: loading {name} failed: {error}") from error
    except Exception as error:
        raise ConfigError(
            f"{spec!r}: loading {name} failed: {type(error).__name__}: {error}"
        ) from error
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise ConfigError(
            f"{spec!r}: loading {name} failed: {type(error).__name__}: {error}"
        ) from error


def _file_module(spec: str) -> ModuleType:
    path = _path(spec)
    if not path.is_file():
        raise ConfigError(f"{spec!r}: there is no such file")
    # Named by its place, so that two files of one name do not become one module.
    name = f"holdfast_brain_{abs(hash(path.resolve())):x}"
    loaded = sys.modules.get(name)
    if loaded is not None:
        return loaded
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise ConfigError(f"{spec!r} is no Python file; its name should end in .py")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    try:
        found.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ConfigError(
            f"{spec!r}: loading it failed: {type(error).__name__}: {error}"
        ) from error
    return module


def _thinker(module: ModuleType, spec: str) -> Callable[[], Brain] | None:
    """The class with `think` that this module defines; None when it defines none."""
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and value.__module__ == module.__name__
        and callable(getattr(value, "think", None))
    ]
    # A base class is not the one meant where a class made from it is there too.
    leaves = [
        one for one in found if not any(two is not one and issubclass(two, one) for two in found)
    ]
    if len(leaves) > 1:
        names = ", ".join(sorted(one.__name__ for one in leaves))
        raise ConfigError(f"{spec!r}: {module.__name__} has several brains ({names}); keep one")
    return cast("Callable[[], Brain]", leaves[0]) if leaves else None
