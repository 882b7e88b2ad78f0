"""HTTP requests and responses as handlers see them, and the bytes of a response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import h11

from server.edge.address import believed_address

METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
QUERY_FIELDS_MAX: Final = 64
TEXT: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """One whole HTTP request.

    `path` is percent-decoded and has no query. `query` keeps the last of repeated names. `headers`
    has lower-case names; repeated headers are joined with a comma. `address` is the peer's, as far
    as it can be believed. HEAD is answered as GET is; the body is left out on the way.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    address: str
    host: str


@dataclass(frozen=True, slots=True)
class Response:
    """What to answer; length, date and connection headers are added on the way."""

    status: int
    body: bytes
    content_type: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()


Handle = Callable[[Request], Awaitable[Response]]
"""Answers one request. It is cancelled when the peer hangs up; RemoteError becomes 400 with its
reason, any other exception 500 without one."""


class BadRequest(Exception):
    """A request that cannot be served: the status and the sentence to refuse it with."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


def read_request(
    event: h11.Request, body: bytes, socket_address: str, forwarded_position: int | None
) -> Request:
    """Make a Request of what h11 read. Raises BadRequest."""
    method = event.method.decode("ascii")
    if event.http_version not in {b"1.0", b"1.1"}:
        raise BadRequest(505, "the HTTP version must be 1.1 or 1.0")
    if method not in METHODS:
        raise BadRequest(501, f"the method {method[:20]} is not known here")
    headers: dict[str, str] = {}
    forwarded: list[str] = []
    for raw_name, raw_value in event.headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
        if name == "x-forwarded-for":
            forwarded.append(value)
    path, query = _read_target(event.target.decode("latin-1"))
    address = believed_address(socket_address, forwarded, forwarded_position)
    return Request(method, path, query, headers, body, address, headers.get("host", ""))


def _read_target(target: str) -> tuple[str, dict[str, str]]:
    """Path and query of a request target (RFC 9112 section 3.2)."""
    if not target.startswith("/"):
        # Proxies may send the whole address; OPTIONS may ask about `*`, the server itself.
        try:
            parts = urlsplit(target)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme.lower() in {"http", "https"} and parts.netloc:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        elif target != "*":
            raise BadRequest(400, "the request target must begin with a slash")
    raw_path, _, raw_query = target.partition("?")
    try:
        path = unquote(raw_path, errors="strict")
    except UnicodeDecodeError:
        raise BadRequest(400, "the path is not UTF-8 once percent-decoded") from None
    if any(char < " " or char == "\x7f" for char in path):
        raise BadRequest(400, "the path contains control characters")
    try:
        fields = parse_qsl(raw_query, keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX)
    except ValueError:
        raise BadRequest(400, f"the query has more than {QUERY_FIELDS_MAX} fields") from None
    return path, dict(fields)


def head_fields(response: Response, date: str, close: bool) -> list[tuple[bytes, bytes]]:
    """All header fields of a response, in the order they are sent."""
    fields = [("Date", date), ("X-Content-Type-Options", "nosniff"), *response.headers]
    if response.status not in {204, 304}:
        fields.append(("Content-Type", response.content_type))
        fields.append(("Content-Length", str(len(response.body))))
    if close:
        fields.append(("Connection", "close"))
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in fields]


def refusal(status: int, sentence: str, date: str, *extra: tuple[str, str]) -> bytes:
    """A whole response that refuses, for where there is no request to answer to."""
    response = Response(status, f"{sentence}\n".encode(), headers=extra)
    lines = [f"HTTP/1.1 {status} {phrase(status)}".encode("ascii")]
    lines += [name + b": " + value for name, value in head_fields(response, date, close=True)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + response.body


def phrase(status: int) -> str:
    """The reason phrase of a status, empty for one that is not registered."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
