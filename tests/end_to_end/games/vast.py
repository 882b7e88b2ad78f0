"""Vast: 20,000 rows of eight numbers; one of them counts a player's steps."""

from holdfast import Entity, Game, Input, Inputs, Match, Player, bounded, f64


class Cell(Entity):
    a: float = f64(1.5)
    b: float = f64(2.5)
    c: float = f64(3.5)
    d: float = f64(1.25)
    e: float = f64(7.5)
    f: float = f64()
    g: float = f64()
    h: float = f64()


class Steer(Input):
    x: int = bounded(-1, 1)


class Vast(Game):
    entities = (Cell,)
    input = Steer
    seats = 8

    def start(self, match: Match) -> None:
        for _ in range(20_000):
            match.spawn(Cell())

    def step(self, match: Match, inputs: Inputs[Steer]) -> None:
        first = match.one(Cell)
        assert first is not None
        for player in match.players:
            assert isinstance(player, Player)
            first.a += inputs[player].x
