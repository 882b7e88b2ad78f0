"""Ants: a room whose every tick is more than a socket's buffers hold for long."""

from holdfast import Entity, Game, Input, Inputs, Match, f64


class Ant(Entity):
    x: float = f64()


class Ants(Game):
    entities = (Ant,)
    seats = 50

    def start(self, match: Match) -> None:
        for _ in range(1500):
            match.spawn(Ant())

    def step(self, match: Match, inputs: Inputs[Input]) -> None:
        for ant in match.all(Ant):
            ant.x = match.rng.random()
