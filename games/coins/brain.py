"""A brain for coins: choose a coin, run to it, choose another when it is gone."""

from random import Random

from games.coins.game import Coin, Runner, Steer
from holdfast import View


class Collector:
    """Run straight to one of the nearest coins; chance decides which, so that no two run alike."""

    def __init__(self) -> None:
        self._chosen = 0

    def think(self, view: View, rng: Random) -> Steer:
        """The input for this tick."""
        me = view.one(Runner, owner=view.player)
        coins = view.all(Coin)
        if me is None or not coins:
            return Steer()
        coin = view.get(Coin, self._chosen)
        if coin is None:
            near = sorted(coins, key=lambda c: (c.x - me.x) ** 2 + (c.y - me.y) ** 2)
            coin = rng.choice(near[:4])
            self._chosen = coin.id
        return Steer(x=_towards(coin.x - me.x), y=_towards(coin.y - me.y))


def _towards(distance: float) -> int:
    return (distance > 0.5) - (distance < -0.5)
