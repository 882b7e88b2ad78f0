"""Bomb: a game that spawns almost as many rows as a match may hold, anew in every tick."""

from holdfast import Entity, Game, Input, Inputs, Match, u16

ROWS = 19_990


class Shard(Entity):
    x: int = u16()


class Bomb(Game):
    entities = (Shard,)

    def step(self, match: Match, inputs: Inputs[Input]) -> None:
        for shard in list(match.all(Shard)):
            match.despawn(shard)
        for number in range(ROWS):
            match.spawn(Shard(x=number))
