"""The tick that was on a player's screen, from its message to the rules."""

from __future__ import annotations

from typing import Any

from holdfast import Inputs, Match, Player
from shared.messages import InputItem, InputMessage, Welcome
from tests.server.core.yard import Dot, Yard
from tests.server.edge.desk import Desk
from tests.simulation.loop import virtually


class Back(Yard):
    """The yard, whose rules write down how far behind a player's screen was."""

    past_entities = (Dot,)
    rewind_ticks_max = 8

    def act(self, match: Match, player: Player, action: Any) -> None:
        super().act(match, player, action)
        [dot] = match.all(Dot, owner=player)
        dot.mind = match.tick - match.seen(player)

    def step(self, match: Match, inputs: Inputs[Any]) -> None:
        super().step(match, inputs)
        for dot in match.all(Dot):
            dot.secret = match.tick - match.seen(dot.owner)


def test_what_a_client_says_of_its_screen_reaches_act_and_step() -> None:
    async def scenario() -> None:
        desk = await Desk(Back()).start()
        ada = await desk.call("Ada", "back")
        [welcome] = ada.line.of(Welcome)
        assert welcome.limits[4] == 8
        room = desk.only_room()
        await desk.seconds(1)

        async def behind(held_back: int, drawn_back: int | None) -> tuple[int, int]:
            ada.silent = True
            view = ada.session.view
            assert view is not None
            held = view.tick - held_back
            drawn = None if drawn_back is None else view.tick - drawn_back
            seq = room.match.players[0].input_seq + 1
            ada.say(InputMessage(held, (InputItem(seq, [0, 0], ([0, "hi"],), drawn),)).encode())
            await desk.seconds(0.05)
            [dot] = room.match.all(Dot)
            return dot.mind, dot.secret

        assert await behind(0, None) == (1, 1)
        assert await behind(3, None) == (4, 4), "nobody saw more than was held"
        assert await behind(0, 2) == (3, 3)
        assert await behind(3, 0) == (4, 4), "a screen newer than what is held is none"
        assert await behind(0, 7) == (8, 8)
        assert await behind(0, 15) == (8, 8)
        # What is held for want of an input was asked for as far behind.
        await behind(0, 2)
        await desk.seconds(0.1)
        [dot] = room.match.all(Dot)
        assert (dot.mind, dot.secret) == (3, 3)
        await desk.stop()

    virtually(scenario())


def test_a_game_that_does_not_look_back_says_so() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = await desk.call("Ada")
        [welcome] = ada.line.of(Welcome)
        assert welcome.limits[4] == 0
        await desk.stop()

    virtually(scenario())
