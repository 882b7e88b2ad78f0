"""A client of the protocol who polls: one request after the other, over no socket at all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from server.edge.request import Request, Response
from shared.messages import Close, Frame, Join, Role, ToClient, decode_from_server
from shared.polls import join_messages, split_messages
from shared.session import ClientSession
from tests.server.core.yard import Push, nonce
from tests.server.edge.desk import Desk

ADDRESS = "192.0.2.9"


def request(
    body: bytes,
    *,
    method: str = "POST",
    address: str = ADDRESS,
    welcome: bool = False,
    headers: dict[str, str] | None = None,
) -> Request:
    """A request for /poll as the listener hands it on."""
    query = {"welcome": "1"} if welcome else {}
    return Request(method, "/poll", query, headers or {}, body, address, "play.example")


def decoded(response: Response) -> list[ToClient | None]:
    """The messages of an answer."""
    assert response.status == 200, response.body
    return [decode_from_server(message) for message in split_messages(response.body)]


def closed(messages: Sequence[Any]) -> tuple[int, str]:
    """The one CLOSE of an answer, which is its last message."""
    assert sum(isinstance(message, Close) for message in messages) == 1, messages
    assert isinstance(messages[-1], Close)
    return messages[-1].code, messages[-1].reason


class Pollster:
    """Holds a session, and takes in what each answer brings."""

    def __init__(
        self, desk: Desk, name: str, game: str = "yard", *, role: Role = Role.PLAYER, **wishes: Any
    ) -> None:
        self.desk = desk
        self.session = ClientSession(Join(nonce(name), game, wishes, name, role))
        self.frames: list[Frame] = []
        self.answers: list[list[ToClient | None]] = []
        self.address = ADDRESS

    @property
    def held(self) -> int:
        return self.session.view.tick if self.session.view else 0

    async def ask(self, *messages: bytes) -> list[ToClient | None]:
        """One request with just these messages; what it brings is not taken in."""
        body = join_messages(messages)
        return decoded(await self.desk.polling.answer(request(body, address=self.address)))

    async def poll(self, *more: bytes, lose: bool = False) -> list[ToClient | None]:
        """One poll of the session's own; with `lose` its answer never arrives."""
        body = join_messages([*self.session.poll(), *more])
        response = await self.desk.polling.answer(request(body, address=self.address))
        messages = decoded(response)
        if not lose:
            self.answers.append(messages)
            for payload in split_messages(response.body):
                self.session.receive(payload)
            self.frames += [message for message in messages if isinstance(message, Frame)]
        return messages

    async def play(self, polls: int, by: int = 1, pause_s: float = 0.0) -> None:
        """Poll so often, with an input after each answer."""
        for _ in range(polls):
            await self.poll()
            self.session.post(Push(by=by))
            await asyncio.sleep(pause_s)

    async def settle(self) -> None:
        """Poll until every input is acknowledged."""
        for _ in range(50):
            if not self.session.waiting:
                return
            await self.poll()
        raise AssertionError(f"{self.session.waiting} inputs were never acknowledged")
