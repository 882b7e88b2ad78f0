"""Games by name: `coins`, `mypkg.mygame:MyGame` or `./mygame.py`, loaded and checked."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from server.core.hooks import folder_of, place_of, with_place
from shared.errors import ConfigError
from shared.game import Game
from shared.schema import describe


@dataclass(frozen=True, slots=True)
class LoadedGame:
    """A game and where it came from. `web` is the folder of its own page, if it has one."""

    name: str
    spec: str
    game: Game
    description: str
    source: Path | None
    web: Path | None


def load_game(spec: str, name: str) -> LoadedGame:
    """The game of a spec; ConfigError says what is wrong with it and what would be right."""
    wanted: str | None = None
    if ".py" in spec or "/" in spec:
        path, _, named = spec.partition(".py:")
        module, wanted = _from_file(f"{path}.py" if named else path), named or None
    elif ":" in spec:
        path, _, wanted = spec.partition(":")
        module = _from_module(path, spec)
    else:
        module = _from_module(f"games.{spec}.game", spec)
    kind = _game_class(module, wanted, spec)
    try:
        game = kind()
        game.check()
        describe(game, hidden=True)
    except (ConfigError, TypeError, ValueError) as error:
        raise ConfigError(f"game {spec!r}: {error}") from error
    source = Path(module.__file__) if module.__file__ else None
    web = source.parent / "web" if source else None
    description = (module.__doc__ or kind.__doc__ or "").strip().split("\n")[0]
    found = web if web and (web / "index.html").is_file() else None
    return LoadedGame(name, spec, game, description, source, found)


def _from_module(path: str, spec: str) -> ModuleType:
    # What the author has in the current folder is found, as with python -m.
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name and (path == error.name or path.startswith(error.name + ".")):
            raise ConfigError(
                f"game {spec!r}: there is no module {path}; give a name (coins), a class "
                "(mypkg.mygame:MyGame) or a file (./mygame.py)"
            ) from None
        raise _broken(spec, error, _folders(error, path)) from error
    except (Exception, SystemExit) as error:
        raise _broken(spec, error, _folders(error, path)) from error


def _from_file(spec: str) -> ModuleType:
    path = Path(spec).resolve()
    if not path.is_file():
        raise ConfigError(f"game {spec!r}: there is no such file")
    name = f"holdfast_game_{path.stem}"
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise ConfigError(f"game {spec!r} is no Python file; its name should end in .py")
    module = importlib.util.module_from_spec(found)
    # What lies beside the file is found, as by `python mygame.py`, but hides nothing else.
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    sys.modules[name] = module
    try:
        found.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _broken(spec, error, {str(path.parent)}) from error
    return module


def _broken(spec: str, error: BaseException, folders: Collection[str]) -> ConfigError:
    """A game that raised while it was imported: what, and where in its own files."""
    place = place_of(error, folders)
    # The text of a SyntaxError repeats the place, in words of its own.
    said = error.msg if isinstance(error, SyntaxError) and place else str(error)
    # What this server refused itself is said in its own words.
    what = said if isinstance(error, ConfigError) else f"{type(error).__name__}: {said}"
    text = with_place(what, place)
    return ConfigError(f"game {spec!r} does not load: {text}")


def _folders(error: BaseException, module: str) -> set[str]:
    """Where the module that raised while it was imported lies."""
    found, trace = set[str](), error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__") == module:
            found.add(folder_of(trace.tb_frame.f_code.co_filename))
        trace = trace.tb_next
    return found


def _game_class(module: ModuleType, wanted: str | None, spec: str) -> type[Game]:
    if wanted is not None:
        kind = getattr(module, wanted, None)
        if not (isinstance(kind, type) and issubclass(kind, Game)):
            raise ConfigError(f"game {spec!r}: {module.__name__}.{wanted} is no subclass of Game")
        return kind
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Game)
        and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        names = ", ".join(kind.__name__ for kind in found) or "none"
        raise ConfigError(f"game {spec!r}: one subclass of Game is expected, there is {names}")
    return found[0]
