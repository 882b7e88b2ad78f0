"""Listeners: who hears of what, by event, and for rows by event and table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Listener = Callable[..., None]
Unheard = Callable[[], None]
Key = tuple[str, str]


class Listeners:
    """Who hears of what. `guarded` calls a listener, and decides what follows if it raises."""

    def __init__(self, guarded: Callable[[Callable[[], None]], object]) -> None:
        self._guarded = guarded
        self._by: dict[Key, list[Listener]] = {}

    def __bool__(self) -> bool:
        """Whether anybody ever listened."""
        return bool(self._by)

    def add(self, key: Key, listener: Listener) -> Unheard:
        """Call `listener` from now on; what is returned ends it."""
        heard = self._by.setdefault(key, [])
        heard.append(listener)

        def off() -> None:
            if listener in heard:
                heard.remove(listener)

        return off

    def has(self, key: Key) -> bool:
        """Whether anybody listens."""
        return bool(self._by.get(key))

    def emit(self, key: Key, *about: Any) -> None:
        """Tell everybody who listens."""
        for listener in tuple(self._by.get(key, ())):
            self._guarded(lambda told=listener: told(*about))  # type: ignore[misc]
