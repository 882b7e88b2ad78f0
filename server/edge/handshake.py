"""Which upgrade requests become WebSockets (RFC 6455 section 4.2), and what the others are told."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from websockets.datastructures import Headers
from websockets.http11 import Request as UpgradeRequest
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from server.edge.address import believed_address
from server.edge.request import QUERY_FIELDS_MAX
from shared.errors import ConfigError

PATH: Final = "/play"
SUBPROTOCOL: Final = "holdfast.1"

# An origin as RFC 6454 section 6.2 writes it: no path, no user, nothing around it.
_ORIGIN = re.compile(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", re.ASCII)
_HOST = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", re.ASCII)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class RequestHead:
    """The request a WebSocket began with.

    `query` keeps the last of repeated names. `headers` has lower-case names; repeated headers are
    joined with a comma. `address` is the peer's, as far as it can be believed.
    """

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    address: str
    host: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to an upgrade request: with `request` set it is status 101, else a refusal."""

    status: int
    answer: bytes
    request: RequestHead | None
    reason: str = ""


class Handshake:
    """Judges upgrade requests. One for all connections: it keeps nothing between two of them.

    `origins` is the exact list of origins that pages may connect from; None, for development,
    admits pages that this server itself served (Origin equal to Host). Clients that send no Origin
    are no browsers and are always admitted. `forwarded_position` is as in `believed_address`.
    Raises ConfigError for an origin that is none.
    """

    def __init__(
        self,
        *,
        origins: Collection[str] | None,
        forwarded_position: int | None,
        log: logging.Logger,
    ) -> None:
        self._origins = parsed_origins(origins)
        self._position = forwarded_position
        self._log = log

    def judge(self, head: bytes, socket_address: str) -> Verdict:
        """Answer one whole request head, its empty line included. Never raises."""
        protocol = ServerProtocol(subprotocols=[Subprotocol(SUBPROTOCOL)], logger=self._log)
        protocol.receive_data(head)
        requests = protocol.events_received()
        if not requests or not isinstance(requests[0], UpgradeRequest):
            return self._unreadable(protocol)
        request = requests[0]
        headers = request.headers
        path, _, query = request.path.partition("?")
        refusal = self._refusal(path, headers)
        if refusal is not None:
            return self._refused(protocol, *refusal)
        try:
            fields = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX))
        except ValueError:
            return self._refused(
                protocol, 400, f"the query has more than {QUERY_FIELDS_MAX} fields"
            )
        response = protocol.accept(request)
        protocol.send_response(response)
        answer = b"".join(protocol.data_to_send())
        if response.status_code != 101:
            return Verdict(response.status_code, answer, None, str(protocol.handshake_exc))
        forwarded = headers.get_all("X-Forwarded-For")
        accepted = RequestHead(
            path=path,
            query=fields,
            headers={name.lower(): ", ".join(headers.get_all(name)) for name in headers},
            address=believed_address(socket_address, forwarded, self._position),
            host=headers["Host"],
        )
        return Verdict(101, answer, accepted)

    def _refusal(self, path: str, headers: Headers) -> tuple[int, str] | None:
        """Status and sentence for what the library does not check."""
        if path != PATH:
            return 404, f"WebSockets are served at {PATH} only"
        hosts = headers.get_all("Host")
        if len(hosts) != 1:
            return 400, f"the request has {len(hosts)} Host headers; it must have exactly one"
        origins = headers.get_all("Origin")
        if len(origins) > 1:
            return 400, f"the request has {len(origins)} Origin headers; it may have one"
        if origins and not admits(origins[0], hosts[0], self._origins):
            return 403, (
                "pages from this origin may not connect; the server's list of origins decides"
            )
        offered = ",".join(headers.get_all("Sec-WebSocket-Protocol"))
        if SUBPROTOCOL not in [name.strip() for name in offered.split(",")]:
            return 400, f"the subprotocol {SUBPROTOCOL} is required; offer it when connecting"
        return None

    def _refused(self, protocol: ServerProtocol, status: int, sentence: str) -> Verdict:
        protocol.send_response(protocol.reject(status, f"{sentence}\n"))
        return Verdict(status, b"".join(protocol.data_to_send()), None, sentence)

    def _unreadable(self, protocol: ServerProtocol) -> Verdict:
        """For some malformed heads the library has an answer, for the rest it only hangs up."""
        answer = b"".join(protocol.data_to_send())
        error: BaseException | None = protocol.handshake_exc
        cause = error.__cause__ if error is not None else None
        reason = ascii(str(cause or error))[1:-1][:200]
        if answer:
            return Verdict(int(answer[9:12]), answer, None, reason)
        sentence = f"the request cannot be read: {reason}"
        response = protocol.reject(400, f"{sentence}\n")
        return Verdict(400, response.serialize(), None, sentence)


def admits(origin: str, host: str, origins: Collection[tuple[str, str, int]] | None) -> bool:
    """Whether a page of `origin` may connect to `host`.

    `origins` holds parsed origins (see `parse_origin`); None admits the origin that is this host,
    whichever of the two schemes it was reached by. Names are compared without case, ports with
    the scheme's default filled in.
    """
    parsed = parse_origin(origin)
    if parsed is None:
        return False
    if origins is not None:
        return parsed in origins
    scheme, name, port = parsed
    match = _HOST.fullmatch(host.lower())
    if match is None:
        return False
    return (name, port) == (match[1], int(match[2] or _DEFAULT_PORTS[scheme]))


def parsed_origins(origins: Collection[str] | None) -> frozenset[tuple[str, str, int]] | None:
    """The setting as `admits` takes it; ConfigError for an origin that is none."""
    return None if origins is None else frozenset(map(_parsed_setting, origins))


def parse_origin(origin: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of a web origin; None for anything else, `null` included."""
    match = _ORIGIN.fullmatch(origin.lower())
    if match is None:
        return None
    return match[1], match[2], int(match[3] or _DEFAULT_PORTS[match[1]])


def _parsed_setting(origin: str) -> tuple[str, str, int]:
    parsed = parse_origin(origin)
    if parsed is None:
        raise ConfigError(
            f"origin {origin!r} is not one; write scheme, host and port as browsers send them,"
            " like https://play.example.com or http://localhost:8080"
        )
    return parsed
