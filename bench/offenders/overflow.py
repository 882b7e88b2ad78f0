"""Overflow: a game whose counter leaves its field's range three seconds on, and fails each tick."""

from holdfast import Entity, Game, Input, Inputs, Match, u8

BEGINS_AT = 60


class Counter(Entity):
    count: int = u8(overflow="fail")


class Overflow(Game):
    entities = (Counter,)

    def start(self, match: Match) -> None:
        match.spawn(Counter())

    def step(self, match: Match, inputs: Inputs[Input]) -> None:
        for counter in match.all(Counter):
            counter.count = 300 if match.tick >= BEGINS_AT else 0
