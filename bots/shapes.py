"""Input and Action classes rebuilt from a schema, for those who do not have the game's own.

`Shapes(schema).input({"x": 1})` is checked field by field exactly as the game's own class would be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.fields import Field
from shared.inputs import Action, Input, InputMeta
from shared.schema import Schema

Value = float | int | str | bool


class Shapes:
    """The classes of one schema. `actions` are in the schema's order."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.input_class: type[Input] = _made("Input", Input, schema.input)
        self.actions: list[type[Action]] = [
            _made(name, Action, fields) for name, fields in schema.actions
        ]
        self._indices = {name: index for index, (name, _) in enumerate(schema.actions)}

    def input(self, sample: Input | Mapping[str, Value]) -> Input:
        """An input from its field values; ValueError or TypeError names the field that is wrong."""
        return sample if isinstance(sample, Input) else self.input_class(**sample)

    def action(
        self, action: Action | str, values: Mapping[str, Value] | None = None
    ) -> tuple[int, Action]:
        """An action, given itself or by name and field values, with its index in the schema.

        ValueError for an action the game does not declare, or a value that does not fit.
        """
        name = action if isinstance(action, str) else type(action).__name__
        index = self._indices.get(name)
        if index is None:
            known = ", ".join(self._indices) or "none"
            raise ValueError(f"this game has no action {name}; it has {known}")
        if isinstance(action, str):
            return index, self.actions[index](**(values or {}))
        return index, action


def _made(name: str, base: type[Any], fields: Mapping[str, Field]) -> Any:
    return InputMeta(name, (base,), dict(fields))
