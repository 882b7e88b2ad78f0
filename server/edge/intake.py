"""What a session's INPUT becomes: items not taken before, checked, counted, handed to the room."""

from __future__ import annotations

from typing import Any

from server.core.inbox import decode_items
from server.core.metrics import Metrics
from server.core.ports import RoomPort
from server.edge.limits import Budget
from shared import limits
from shared.errors import CloseCode, RemoteError
from shared.from_client import bad
from shared.match import PLAYER_TABLE
from shared.messages import InputMessage
from shared.session import ServerSession


def take_inputs(
    port: RoomPort, session: ServerSession, message: InputMessage, items: Budget, metrics: Metrics
) -> None:
    """Take an INPUT in; RemoteError says what is wrong with it. `items` is the session's budget."""
    # A client may hold more than the journal, if the store lost its tail with the machine.
    most = max(session.base, session.held)
    fresh = session.take(message, most)
    if not fresh:
        return
    if not session.player:
        raise bad("a spectator has no inputs; report the tick held without items")
    for _ in fresh:
        if not items.spend():
            raise RemoteError(
                CloseCode.TOO_FAST, f"more than {limits.INPUT_ITEMS_PER_S:g} inputs a second"
            )
    row: Any = port.match.tables[PLAYER_TABLE].rows.get(session.player)
    applied = max(session.began, row.input_seq if row is not None else 0)
    if session.posted - applied > limits.INBOX_ITEMS_MAX:
        raise RemoteError(
            CloseCode.TOO_FAST,
            f"more than {limits.INBOX_ITEMS_MAX} inputs wait; wait for their acknowledgement",
        )
    port.submit(session.player, decode_items(port.game, fresh, min(message.held, most)))
    metrics.count("inputs_total", len(fresh))
