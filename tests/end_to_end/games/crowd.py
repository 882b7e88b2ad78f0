"""Crowd: more movement in every tick than a socket's buffers hold for long."""

from holdfast import Entity, Game, Input, Inputs, Match, f64


class Ant(Entity):
    x: float = f64()


class Crowd(Game):
    entities = (Ant,)
    seats = 50
    grace_s = 2.0
    room_empty_s = 2.0

    def start(self, match: Match) -> None:
        for _ in range(1500):
            match.spawn(Ant())

    def step(self, match: Match, inputs: Inputs[Input]) -> None:
        for ant in match.all(Ant):
            ant.x = match.rng.random()
