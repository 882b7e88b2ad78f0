"""A match's result as it is stored: JSON in UTF-8, bounded, and the same number to every reader."""

from __future__ import annotations

import json
from typing import Any, cast

from .errors import GameError
from .limits import INTEGER_MAX, RESULT_BYTES_MAX


def result_text(result: Any) -> str:
    """What `match.finish` was given, as JSON; GameError says what of it cannot be kept, and where.

    Whole numbers beyond 2**53 are refused, since JavaScript would read another number.
    """
    try:
        text = json.dumps(result, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise GameError(f"match.finish: the result must be JSON: {error}") from None
    # Half of a surrogate pair has no UTF-8; as JSON's own escape it is kept.
    encoded = text.encode("utf-8", "backslashreplace")
    if len(encoded) > RESULT_BYTES_MAX:
        raise GameError(
            f"match.finish: the result is {len(encoded)} bytes of JSON; at most {RESULT_BYTES_MAX}"
        )
    place = _beyond(json.loads(encoded), "result")
    if place:
        raise GameError(f"match.finish: {place} is beyond 2**53; give it as text")
    return encoded.decode()


def _beyond(value: object, place: str) -> str:
    """Where in a JSON value a whole number is beyond 2**53; "" if none is."""
    if type(value) is int and abs(value) > INTEGER_MAX:
        return place
    parts: list[tuple[str, object]] = []
    if type(value) is dict:
        parts = [(f"[{key!r}]", part) for key, part in cast("dict[str, object]", value).items()]
    elif type(value) is list:
        items = cast("list[object]", value)
        parts = [(f"[{index}]", part) for index, part in enumerate(items)]
    return next((found for key, part in parts if (found := _beyond(part, place + key))), "")


__all__ = ["result_text"]
