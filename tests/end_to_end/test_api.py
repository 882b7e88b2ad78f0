"""The lobby's JSON over real HTTP: rooms by their links, and links as codes."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.end_to_end.server import Server


def asked_as(server: Server, host: str, path: str) -> tuple[int, str, bytes]:
    """Status, type and body of a GET that names this host."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest("GET", path, skip_host=True)
    connection.putheader("Host", host)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.getheader("Content-Type", ""), body


def error(body: bytes) -> str:
    said: dict[str, Any] = json.loads(body)
    return str(said["error"])


def test_a_code_leads_to_the_host_that_was_asked(server: Server) -> None:
    path = "/api/qr?path=" + quote("/?game=coins&room=abc", safe="")
    status, kind, body = asked_as(server, "play.example.org", path)
    assert (status, kind) == (200, "image/svg+xml")
    assert body.startswith(b"<svg")
    assert asked_as(server, "other.example.org", path)[2] != body


def test_a_code_of_a_server_nobody_else_reaches_is_refused(server: Server) -> None:
    status, _, body = asked_as(server, "localhost", "/api/qr?path=/")
    assert (status, error(body)) == (
        404,
        "no address is known under which another device finds this server",
    )


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "must be given and begin with a slash"),
        ("?path=https://elsewhere.example/", "begin with a slash"),
        ("?path=/" + "a" * 200, "201 characters, 200 at most"),
        ("?path=/%20", "ASCII without spaces"),
        ("?path=/%E2%80%AE", "ASCII without spaces"),
    ],
)
def test_paths_that_are_no_links_are_refused(server: Server, query: str, said: str) -> None:
    status, _, body = asked_as(server, "play.example.org", "/api/qr" + query)
    assert status == 400
    assert said in error(body)


@pytest.mark.parametrize("room", ["a" * 20, "", "../../etc", "%00", "x" * 500])
def test_a_room_that_is_not_there_is_an_answer(server: Server, room: str) -> None:
    assert server.ask(f"/api/rooms?room={room}") == {"rooms": [], "result": None}
