"""Coins: run about, pick up coins."""

from holdfast import Entity, Game, Input, Inputs, Match, Player, bounded, fixed, u16


class Runner(Entity):
    x: float = fixed(1 / 1024)
    y: float = fixed(1 / 1024)
    coins: int = u16()


class Coin(Entity):
    x: float = fixed(1 / 1024)
    y: float = fixed(1 / 1024)


class Steer(Input):
    x: int = bounded(-1, 1)
    y: int = bounded(-1, 1)


class Coins(Game):
    entities = Runner, Coin
    input = Steer

    def join(self, match: Match, player: Player) -> None:
        match.spawn(Runner(owner=player))

    def step(self, match: Match, inputs: Inputs[Steer]) -> None:
        while match.count(Coin) < 10:
            match.spawn(Coin(x=match.rng.uniform(-9, 9), y=match.rng.uniform(-9, 9)))
        for runner in match.all(Runner):
            runner.x += inputs[runner.owner].x * 5 * match.dt
            runner.y += inputs[runner.owner].y * 5 * match.dt
            for coin in match.all(Coin):
                if abs(coin.x - runner.x) < 1 and abs(coin.y - runner.y) < 1:
                    match.despawn(coin)
                    runner.coins += 1
