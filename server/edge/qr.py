"""The QR code of a link to this server, for a phone to point its camera at."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

import segno

PATH_CHARS_MAX: Final = 200
# A label, an IPv4 or bracketed IPv6 address, and a port; nothing a link could be bent with.
_HOST_CHARS: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]"
)
# The standard lets an encoder try eight masks and keep the calmest picture. Any of them can be
# read; trying all takes 6 ms of the loop that ticks, and one takes 1.
_MASK: Final = 3


def shared_address(lan: Sequence[str], headers: Mapping[str, str]) -> str | None:
    """Where another device finds the server that was asked: scheme and host, None if nobody knows.

    Asked under a name that means "this machine", it is the first address in the local network;
    asked under any other, that one, since whoever asked has reached it so.
    """
    host = headers.get("host", "")
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return None
    if name in {"localhost", "::1"} or name.endswith(".localhost") or name.startswith("127."):
        return lan[0] if lan else None
    if not name or len(host) > PATH_CHARS_MAX or not _HOST_CHARS.issuperset(host):
        return None
    forwarded = headers.get("x-forwarded-proto", "").strip().lower()
    return f"{'https' if forwarded == 'https' else 'http'}://{host}"


def wrong_path(path: str) -> str | None:
    """What is wrong with a path to be shared, None if nothing is."""
    if not path.startswith("/"):
        return "path must be given and begin with a slash, as in ?path=/%3Fgame=coins"
    if len(path) > PATH_CHARS_MAX:
        return f"path has {len(path)} characters, {PATH_CHARS_MAX} at most"
    if not all("!" <= character <= "~" for character in path):
        return "path must be ASCII without spaces; percent-encode the rest twice"
    return None


def qr_svg(link: str) -> bytes:
    """The code of a link as SVG: black on white, with the margin that readers need."""
    code = segno.make(link, error="m", micro=False, mask=_MASK)
    svg = io.BytesIO()
    code.save(
        svg,
        kind="svg",
        border=4,
        dark="#000",
        light="#fff",
        omitsize=True,
        xmldecl=False,
        svgclass=None,
        lineclass=None,
    )
    return svg.getvalue()
