"""Still: the workload of the quiet figure, rooms in which nobody does anything."""

from holdfast import Entity, Game, Input, Inputs, Match, Player, bounded, fixed


class Figure(Entity):
    x: float = fixed(1 / 64)


class Steer(Input):
    x: int = bounded(-1, 1)


class Still(Game):
    """A figure a player, which moves when it is steered."""

    entities = (Figure,)
    input = Steer
    seats = 50

    def join(self, match: Match, player: Player) -> None:
        match.spawn(Figure(owner=player))

    def step(self, match: Match, inputs: Inputs[Steer]) -> None:
        for figure in match.all(Figure):
            figure.x += inputs[figure.owner].x * match.dt
