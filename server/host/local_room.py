"""A room as this process has it, run here or followed: one `RoomPort` through every move.

What its edge asks for goes to whoever owns the room. What is asked once (a seat, its end, a
connection) is kept until the rows show it, so that it survives the owner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from server.core.inbox import Item
from server.core.lobby import RoomMeta
from server.core.outbox import Outbox
from server.core.ports import Census, Follower, Publication
from server.core.room import SeatRequest
from server.host.mirror import Mirror
from server.host.room_host import RoomHost
from shared.errors import CloseCode
from shared.game import Game
from shared.match import Match
from shared.messages import Status


class LocalRoom:
    """Follows the `RoomHost` or `Mirror` it stands for, and is followed by this process's edge.

    `name` is this process's, under which its edge reports who is present.
    """

    def __init__(
        self,
        room: str,
        meta: RoomMeta,
        game: Game,
        name: str,
        now: Callable[[], float],
        forget: Callable[[LocalRoom], None],
    ) -> None:
        self.id = room
        self.meta = meta
        self.game = game
        self.outbox = Outbox()
        self.over: tuple[CloseCode, str] | None = None
        # Nonces of seats taken since the directory was last told.
        self.seated: list[bytes] = []
        self.unused_since_s = now()
        self._name = name
        self._now = now
        self._forget = forget
        self._followers: list[Follower] = []
        self._owned: RoomHost | None = None
        self._mirror: Mirror | None = None

    @property
    def _port(self) -> RoomHost | Mirror:
        port = self._owned or self._mirror
        assert port is not None
        return port

    @property
    def owned(self) -> RoomHost | None:
        """The room itself, where it is run here."""
        return self._owned

    @property
    def mirror(self) -> Mirror | None:
        """The copy, where it is followed."""
        return self._mirror

    @property
    def ending(self) -> bool:
        """Whether it is over, or will be when its next tick is due."""
        return self.over is not None or (self._owned is not None and self._owned.over is not None)

    @property
    def used(self) -> bool:
        """Whether an edge follows it."""
        return bool(self._followers)

    @property
    def match(self) -> Match:
        """Its rows; read them only when told of a publication, or when `settled`."""
        return self._port.match

    @property
    def epoch(self) -> int:
        """The epoch of its owner."""
        return self._port.epoch

    @property
    def status(self) -> Status:
        """Whether it goes on."""
        return self._port.status

    @property
    def free_seats(self) -> int:
        """Seats a human could take."""
        return self._port.free_seats

    @property
    def finished(self) -> bool:
        """Whether the match has a result, or the room is over."""
        return self.over is not None or self._port.finished

    @property
    def census(self) -> Census:
        """The room in numbers."""
        return self._port.census

    @property
    def settled(self) -> bool:
        """Whether the match holds committed rows only."""
        return self._port.settled

    @property
    def fault(self) -> str:
        """Why it stands still here, in development; "" while it does not."""
        return self._owned.fault if self._owned is not None else ""

    @property
    def understood(self) -> bool:
        """Whether inputs and actions mean the same to the room's owner as here."""
        mirror = self._mirror
        return self._owned is not None or mirror is None or mirror.match.origin.asks_alike

    def diverged(self, epoch: int, held: int) -> bool:
        """Whether somebody who holds this tick of this epoch holds what was never committed."""
        return self._port.diverged(epoch, held)

    def behind(self, epoch: int, held: int) -> bool:
        """Whether somebody who holds this tick of this epoch knows more than this process does."""
        # What its owner did not commit was not committed.
        return self._mirror is not None and self._mirror.behind(epoch, held)

    def holds(self, nonce: bytes) -> bool:
        """Whether a seat was taken, or asked for here, with this nonce."""
        return nonce in self.outbox.nonces or self._port.holds(nonce)

    def run(self, owned: RoomHost) -> None:
        """The room is run here from now on; what is open is asked of it at once."""
        began = self._owned is None and self._mirror is None
        self._owned, self._mirror = owned, None
        owned.follow(self)
        for request in self.outbox.everything():
            owned.obey(self._name, request)
        if not began:
            self.changed(owned.status)

    def mirrored(self, mirror: Mirror) -> None:
        """The room is followed from now on."""
        began = self._owned is None and self._mirror is None
        if self._owned is not None:
            self._owned.unfollow(self)
            for player, items in self._owned.unapplied().items():
                self.outbox.submit(player, items)
        self._owned, self._mirror = None, mirror
        if not began:
            self.changed(mirror.status)

    def follow(self, follower: Follower) -> None:
        """Tell this follower of every tick from now on."""
        self._followers.append(follower)

    def unfollow(self, follower: Follower) -> None:
        """Stop telling it."""
        if follower in self._followers:
            self._followers.remove(follower)
            self.unused_since_s = self._now()

    def join(self, request: SeatRequest) -> None:
        """Ask for a seat at the next tick, which finds the one the nonce may have already."""
        self.outbox.join(request)
        self._ask()

    def leave(self, player: int) -> None:
        """Give a seat up."""
        self.outbox.leave(player)
        self._ask()

    def resume(self, player: int, connection: int, first_seq: int) -> None:
        """A session goes on on this connection (0: it stays), with no input before this seq."""
        self.outbox.resume(player, connection, first_seq)
        self._ask()

    def present(self, players: set[int], spectators: int) -> None:
        """Whose connections are open here."""
        self.outbox.report(players, spectators)
        self._ask()

    def fail(self, reason: str, place: str = "") -> None:
        """End the room: a hook the edge calls raised, at this place in the game's files."""
        self.outbox.fail(reason, place)
        self._ask()

    def submit(self, player: int, items: Sequence[Item]) -> None:
        """Queue what a player asks for; while the room is run here, nothing of it is kept."""
        if self._owned is not None:
            self._owned.submit(player, items)
        else:
            self.outbox.submit(player, items)
            self._ask()

    def published(self, publication: Publication) -> None:
        """A tick was committed: settle what was asked, and let the edge see it."""
        for nonce in publication.refused:
            self.outbox.refused(nonce)
        if self.outbox.open:
            seated = self.outbox.settle(self.match) | publication.seated
            publication = replace(publication, seated=seated)
        if self._owned is not None:
            self.seated += publication.seated
        for follower in list(self._followers):
            follower.published(publication)

    def changed(self, status: Status) -> None:
        """The room's status or epoch changed."""
        for follower in list(self._followers):
            follower.changed(status)

    def ended(self, code: CloseCode, reason: str) -> None:
        """The room is over for everybody here."""
        self.over = (code, reason)
        for follower in list(self._followers):
            follower.ended(code, reason)
        self._forget(self)

    def _ask(self) -> None:
        if self._owned is not None:
            for request in self.outbox.take():
                self._owned.obey(self._name, request)
        elif self._mirror is not None:
            self._mirror.post_soon()
