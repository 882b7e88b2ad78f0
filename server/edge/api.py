"""What plain HTTP requests get: pages, the lobby's JSON, health, metrics."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final
from urllib.parse import urlsplit

from server.core.lobby import is_room_id
from server.core.metrics import Metrics
from server.core.ports import Clock, Host, Listed, RoomPort
from server.edge.files import Files
from server.edge.network import Network
from server.edge.qr import qr_svg, shared_address, wrong_path
from server.edge.request import Request, Response
from shared.schema import describe

JSON: Final = "application/json"
METHODS: Final = {"/api/kill": ("POST",), "/api/network": ("GET", "HEAD", "POST")}
SETTLE_TRIES: Final = 500
ROOMS_LISTED_MAX: Final = 200
# What the page's form begins with where no room stands open: somebody to play against.
BOTS_USUAL: Final = 2


@dataclass(frozen=True, slots=True)
class Site:
    """What the pages say of this server.

    `kill`, `mistake` and `network` are there in development only.
    """

    version: str
    development: bool
    lan: tuple[str, ...]
    descriptions: Mapping[str, str]
    pages: Mapping[str, str]
    bots: Mapping[str, int] = field(default_factory=dict[str, int])
    kill: Callable[[], None] | None = None
    mistake: Callable[[], str | None] | None = None
    stuck: Callable[[], Mapping[str, str]] = dict
    network: Network | None = None
    pid: int = 0
    process: str = ""
    gauges: Callable[[], dict[str, float]] = field(default=dict)
    ready: Callable[[], str | None] = field(default=lambda: None)


NO_ROOM = "there is no such room"


class Api:
    """Answers requests; `answer` is the listener's handler."""

    def __init__(
        self, host: Host, files: Files, site: Site, clock: Clock, metrics: Metrics
    ) -> None:
        self._host = host
        self._files = files
        self._site = site
        self._clock = clock
        self._metrics = metrics
        # The answer for each game wanted (None: all), of the rooms last shown.
        self._shown: Mapping[str, Listed] | None = None
        self._bodies: dict[str | None, Response] = {}
        self._routes: dict[str, Callable[[Request], Awaitable[Response]]] = {
            "/liveness_check": self._liveness,
            "/readiness_check": self._readiness,
            "/metrics": self._metrics_text,
            "/api/status": self._status,
            "/api/games": self._status,
            "/api/rooms": self._rooms,
            "/api/qr": self._qr,
            "/api/kill": self._kill,
            "/api/mistakes": self._mistakes,
            "/api/network": self._network,
        }

    async def answer(self, request: Request) -> Response:
        """One response to one request."""
        route = self._routes.get(request.path)
        if route is not None:
            methods = METHODS.get(request.path, ("GET", "HEAD"))
            if request.method not in methods:
                allowed = ", ".join(method for method in methods if method != "HEAD")
                text = f"{request.path} takes {allowed}\n".encode()
                return Response(405, text, headers=(("Allow", allowed),))
            return await route(request)
        if request.path.startswith("/api/"):
            return await self._api(request)
        if request.path == "/":
            request = Request(
                request.method,
                "/client/page/index.html",
                request.query,
                request.headers,
                b"",
                request.address,
                request.host,
            )
        found = self._files.answer(request)
        return found or Response(404, b"there is nothing here; / has the page that plays\n")

    async def _liveness(self, request: Request) -> Response:
        return Response(200, b"ok\n")

    async def _readiness(self, request: Request) -> Response:
        why_not = self._site.ready()
        return (
            Response(200, b"ready\n") if why_not is None else Response(503, f"{why_not}\n".encode())
        )

    async def _metrics_text(self, request: Request) -> Response:
        text = self._metrics.render(self._site.gauges())
        return Response(200, text.encode(), "text/plain; version=0.0.4; charset=utf-8")

    async def _status(self, request: Request) -> Response:
        site = self._site
        games = [
            {
                "name": name,
                "title": game.title or name.capitalize(),
                "description": site.descriptions.get(name, ""),
                "web": name in site.pages,
                "page": site.pages.get(name),
                "bots": site.bots.get(name, BOTS_USUAL),
                "seats": game.seats,
                "tick_rate": game.tick_rate,
                "options": describe(game)[3],
            }
            for name, game in self._host.games.items()
        ]
        return _json(
            {
                "name": "Holdfast",
                "version": site.version,
                "development": site.development,
                "process": site.process,
                "pid": site.pid,
                "lan": site.lan,
                "games": games,
            }
        )

    async def _rooms(self, request: Request) -> Response:
        """The public rooms, or with `room` that one, private or not, and what it ended with.

        A page asks so for the room of a link: that one is over is an answer, not an error.
        """
        name = request.query.get("room")
        if name is not None:
            return await self._certain(name)
        wanted = request.query.get("game")
        rooms = await self._host.listed()
        if rooms is not self._shown:
            self._shown = rooms
            self._bodies.clear()
        if wanted not in self._bodies:
            if wanted is not None and wanted not in self._host.games:
                return _json({"rooms": []})
            # Encoded once for all who ask while nothing is new, and no room is looked at twice.
            listed = (
                self._describe(room)
                for room in rooms.values()
                if not room.meta.private and wanted in (None, room.meta.game)
            )
            self._bodies[wanted] = _json({"rooms": list(islice(listed, ROOMS_LISTED_MAX))})
        return self._bodies[wanted]

    async def _certain(self, name: str) -> Response:
        if not is_room_id(name):
            return _json({"rooms": [], "result": None})
        result = await self._host.result(name)
        found = await self._host.find(name)
        return _json(
            {
                "rooms": [] if found is None else [self._describe(found)],
                "result": None if result is None else json.loads(result),
            }
        )

    async def _api(self, request: Request) -> Response:
        match request.path.split("/")[2:]:
            case ["rooms", name] if is_room_id(name):
                found = await self._host.find(name)
                return _missing(NO_ROOM) if found is None else _json(self._describe(found))
            case ["rooms", name, "inputs"] if is_room_id(name):
                # To look at a room that sleeps wakes nobody.
                found = await self._host.find(name)
                awake = found is not None and found.owner
                room = await self._host.reach(name) if awake else None
                return await self._inputs(room) if room else _missing(NO_ROOM)
            case ["rooms", name, "result"] if is_room_id(name):
                result = await self._host.result(name)
                return _missing("no result") if result is None else Response(200, result, JSON)
            case ["rooms", name, "results"] if is_room_id(name):
                return await self._results(name)
            case _:
                return _missing("there is no such thing in /api")

    async def _results(self, name: str) -> Response:
        """What each match of a room came to, as it was finished: the bytes of one are JSON."""
        found = [
            b'{"match": %d, "tick": %d, "result": %s}' % (one.match, one.tick, one.result)
            for one in await self._host.results(name)
        ]
        body = b'{"results": [%s]}\n' % b", ".join(found)
        return Response(200, body, JSON, (("Cache-Control", "no-store"),))

    async def _inputs(self, room: RoomPort) -> Response:
        """The journaled counters of inputs, by player: for testers who count both ends."""
        for _ in range(SETTLE_TRIES):
            if room.settled:
                break
            await self._clock.sleep(0.002)
        else:
            return _json({"error": "the room's tick is not committed"}, 503)
        counters = {
            str(player.id): {
                "seq": player.input_seq,
                "applied": player.inputs_applied,
                "skipped": player.inputs_skipped,
            }
            for player in room.match.players
        }
        return _json({"room": room.id, "tick": room.match.tick, "players": counters})

    async def _qr(self, request: Request) -> Response:
        """A picture of the link to a path here, for a device that is to follow it."""
        path = request.query.get("path", "")
        wrong = wrong_path(path)
        if wrong is not None:
            return _json({"error": wrong}, 400)
        address = shared_address(self._site.lan, request.headers)
        if address is None:
            return _missing("no address is known under which another device finds this server")
        # The code of a room's link never changes while the server's address does not.
        kept = (("Cache-Control", "private, max-age=60"),)
        return Response(200, qr_svg(address + path), "image/svg+xml", kept)

    async def _kill(self, request: Request) -> Response:
        site = self._site
        if site.kill is None:
            return _json({"error": "only a server started with --dev can be killed here"}, 403)
        if _foreign(request):
            return _json({"error": "this page is not of this server"}, 403)
        ticks = {room.id: room.census.tick for room in self._host.rooms()}
        site.kill()
        return _json({"pid": site.pid, "rooms": ticks}, 202)

    async def _mistakes(self, request: Request) -> Response:
        """For the games' author: why a saved file does not load, and which rooms stand still."""
        if self._site.mistake is None:
            return _json({"error": "only a server started with --dev tells mistakes"}, 403)
        rooms = {room.id: room.fault for room in self._host.rooms() if room.fault}
        rooms |= self._site.stuck()
        return _json({"file": self._site.mistake(), "rooms": rooms})

    async def _network(self, request: Request) -> Response:
        """How the knobs of a line stand; a POST turns them."""
        network = self._site.network
        if network is None:
            return _json({"error": "only a server started with --dev has knobs to turn"}, 403)
        if _foreign(request):
            return _json({"error": "this page is not of this server"}, 403)
        if request.method != "POST":
            return _json(network.shown(request.query.get("line", "")))
        try:
            return _json(network.turn(request.body))
        except ValueError as error:
            return _json({"error": str(error)}, 400)

    def _describe(self, room: Listed) -> dict[str, Any]:
        census, game = room.census, self._host.games.get(room.meta.game)
        return {
            "room": room.room,
            "game": room.meta.game,
            "players": census.players,
            "bots": census.bots,
            "spectators": census.spectators,
            "seats": game.seats if game else 0,
            "free_seats": room.free_seats,
            "tick": census.tick,
            "tick_rate": game.tick_rate if game else 0,
            "tick_ms": round(census.tick_s * 1000, 3),
            "load": round(census.load, 3),
            "age_s": max(0, round(self._clock.wall_s() - room.meta.created_ms / 1000)),
            "private": room.meta.private,
            "status": room.status,
            "finished": census.finished,
            "epoch": room.epoch,
            "owner": room.owner,
        }


def _foreign(request: Request) -> bool:
    """Whether a page of another server asks."""
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != request.host.lower()


def _json(value: Any, status: int = 200) -> Response:
    body = json.dumps(value).encode() + b"\n"
    return Response(status, body, JSON, (("Cache-Control", "no-store"),))


def _missing(reason: str) -> Response:
    return _json({"error": reason}, 404)
