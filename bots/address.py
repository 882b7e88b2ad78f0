"""Where a server is: the URL a person gives, made into the one to play at and the one to ask."""

from __future__ import annotations

from urllib.parse import quote, urlsplit, urlunsplit

from shared.errors import ConfigError

PLAY_PATH = "/play"


def play_url(url: str) -> str:
    """The URL of the WebSocket: `/play` is added where the URL has no path.

    The page's own address, http or https, will do. ConfigError for a URL that is none of these.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{url!r} is no URL: {error}; expected ws://HOST:PORT") from None
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    if scheme not in ("ws", "wss"):
        shown = f"the scheme {parts.scheme!r}" if parts.scheme else "no scheme"
        raise ConfigError(f"{url!r} has {shown}; expected ws://HOST:PORT or wss://HOST")
    if not parts.hostname:
        raise ConfigError(f"{url!r} names no host; expected ws://HOST:PORT")
    if port == 0:
        raise ConfigError(f"{url!r} names port 0; give the port the server listens on")
    path = parts.path if parts.path not in ("", "/") else PLAY_PATH
    return urlunsplit((scheme, parts.netloc, path, parts.query, ""))


def inputs_url(url: str, room: str) -> str:
    """The URL that tells how many inputs of each player a room applied."""
    return _room_url(url, room, "inputs")


def results_url(url: str, room: str) -> str:
    """The URL that tells the results of a room's matches."""
    return _room_url(url, room, "results")


def _room_url(url: str, room: str, what: str) -> str:
    parts = urlsplit(url)
    scheme = "https" if parts.scheme == "wss" else "http"
    return urlunsplit((scheme, parts.netloc, f"/api/rooms/{quote(room, safe='')}/{what}", "", ""))
