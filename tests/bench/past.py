"""A room's past, played for the checker: a real room, its records, and what its clients saw."""

from __future__ import annotations

from typing import Any

from bench.checker import rows_digest
from bench.history import Counts, Recovered, RoomHistory, Seen, Witness
from server.core.fanout import Fanout
from server.core.inbox import decode_items
from server.core.journal import encode_checkpoint, encode_record
from server.core.lobby import RoomMeta
from server.core.room import Room, SeatRequest
from server.store.base import Checkpoint, Record
from shared.game import Game
from shared.match import Match
from shared.messages import InputItem, decode_from_server
from shared.schema import describe, parse
from shared.session import ServerSession
from shared.view import View

ROOM = "room00000001"
EPOCH = 1000


class Client:
    """A player who sends an input a tick, and watches."""

    def __init__(self, name: str, player: int, match: Match) -> None:
        self.witness = Witness(name, [(ROOM, player)])
        self.view = View(parse(describe(match.game)), player)
        self.session = ServerSession(player, 0, 0, 1, match.tick)
        self.seq = 0
        self.ack = 0
        self.skipped = 0
        self.bare = 0

    def see(self, fanout: Fanout, epoch: int) -> None:
        frame: Any = decode_from_server(fanout.frame(self.session))
        self.view.apply(frame.tick, frame.base, frame.dropped, frame.chunks)
        self.ack = frame.ack
        self.skipped += sum(1 for _, part, _ in frame.refusals or () if not part)
        crc = self.view.digest()
        at_s = frame.tick / 20
        self.witness.frames.append(Seen(frame.tick, frame.committed, frame.ack, epoch, crc, at_s))

    def finish(self) -> None:
        assert self.ack == self.seq
        applied = self.seq - self.skipped - self.bare
        self.witness.counts = Counts(self.seq, 0, applied, self.skipped, self.bare)


class Past:
    """Plays a room; `history` is what an observer would have of it."""

    def __init__(self, game: Game, seed: int = 1) -> None:
        options = game.options()
        meta = RoomMeta("past", tuple(options.to_wire()), seed, 0, False, 0, game.version)
        self.history = RoomHistory(ROOM, game, meta)
        self.match = Match(game, options, seed)
        self.room = Room(ROOM, self.match, EPOCH)
        self.clients: dict[bytes, Client] = {}
        self.epoch = EPOCH

    def join(self, *names: str) -> None:
        """Seat players at the next tick."""
        for name in names:
            self.room.join(SeatRequest(name.encode() * 4, name))

    def tick(
        self, input_: list[Any] | None = None, *, sent: bool = True, seen: bool = True
    ) -> None:
        """One tick, for which every player sends this input, and whose frames they see."""
        for client in self.clients.values():
            if sent:
                self.send(client, input_)
        step = self.room.step()
        self.history.writes.append(Record(self.epoch, self.match.tick, encode_record(step.commit)))
        for nonce, player in step.seated.items():
            self.room.present.add(player)
            self.clients[nonce] = Client(nonce[:3].decode(), player, self.match)
        if seen:
            fanout = Fanout(self.match, step.commit)
            for client in self.clients.values():
                client.see(fanout, self.epoch)

    def send(self, client: Client, input_: list[Any] | None) -> None:
        client.seq += 1
        client.bare += input_ is None
        items = decode_items(self.match.game, [InputItem(client.seq, input_)])
        self.room.submit(client.session.player, items)

    def checkpoint(self) -> Checkpoint:
        return Checkpoint(self.epoch, self.match.tick, encode_checkpoint(self.match))

    def finished(self) -> RoomHistory:
        """The history, once every input is acknowledged."""
        history = self.history
        history.witnesses = [client.witness for client in self.clients.values()]
        for client in self.clients.values():
            client.finish()
        history.recovered = [Recovered("the next owner", self.match.tick, rows_digest(self.match))]
        return history
