"""Solo: one seat, and a match that is over when its only player says so."""

from holdfast import Action, Entity, Game, Input, Inputs, Match, Player, bounded, fixed


class Dot(Entity):
    x: float = fixed(1 / 64)
    y: float = fixed(1 / 64)


class Push(Input):
    x: int = bounded(-1, 1)


class Finish(Action):
    """The end."""


class Solo(Game):
    title = "Solo"
    entities = (Dot,)
    input = Push
    actions = (Finish,)
    seats = 1

    def join(self, match: Match, player: Player) -> None:
        match.spawn(Dot(owner=player))

    def step(self, match: Match, inputs: Inputs[Push]) -> None:
        for dot in match.all(Dot):
            dot.x += inputs[dot.owner].x / 4

    def act(self, match: Match, player: Player, action: Action) -> None:
        scores = [{"name": player.name, "points": 3}, {"name": "<b>nobody</b>", "points": 1.5}]
        match.finish({"winner": player.name, "draw": False, "scores": scores})
