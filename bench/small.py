"""Small: the workload of the takeover storm, rooms that tick five times a second for nobody."""

from holdfast import Entity, Game, Input, Inputs, Match, u16


class Hand(Entity):
    turns: int = u16()


class Small(Game):
    """A clock's hand, so that each tick changes a row. Its rooms outlive their players."""

    entities = (Hand,)
    tick_rate = 5
    room_empty_s = 3600.0

    def start(self, match: Match) -> None:
        match.spawn(Hand())

    def step(self, match: Match, inputs: Inputs[Input]) -> None:
        for hand in match.all(Hand):
            hand.turns = match.tick % 60
