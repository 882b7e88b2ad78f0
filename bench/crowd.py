"""Crowd: the workload of the benchmarks, fifty runners who never stand still."""

from holdfast import Entity, Game, Input, Inputs, Match, Player, bounded, fixed


class Runner(Entity):
    x: float = fixed(1 / 64)
    y: float = fixed(1 / 64)


class Steer(Input):
    x: int = bounded(-1, 1)
    y: int = bounded(-1, 1)


class Crowd(Game):
    entities = (Runner,)
    input = Steer
    seats = 50

    def join(self, match: Match, player: Player) -> None:
        match.spawn(Runner(owner=player, x=match.rng.uniform(0, 99), y=match.rng.uniform(0, 99)))

    def step(self, match: Match, inputs: Inputs[Steer]) -> None:
        for runner in match.all(Runner):
            steer = inputs[runner.owner]
            runner.x = (runner.x + steer.x * 5 * match.dt) % 100
            runner.y = (runner.y + steer.y * 5 * match.dt) % 100
