"""Static files under mounts: nothing outside them is served, however the path is written."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from server.edge.request import Request, Response

FILE_BYTES_MAX: Final = 8 * 1024 * 1024
"""Read at once, on the loop that ticks; larger files belong on a content network."""

# The machine's own table of types differs from machine to machine, and some get .js wrong, which
# keeps browsers from loading modules.
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".gif": "image/gif",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".md": "text/plain; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ts": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".wav": "audio/wav",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
_UNKNOWN_TYPE: Final = "application/octet-stream"


class Files:
    """Static files. `mounts` maps path prefixes, each with slashes around, to folders.

    The longest prefix that fits decides. A path that ends in a slash means its index.html. Files
    and folders whose names begin with a dot do not exist here.
    """

    def __init__(self, mounts: Mapping[str, Path]) -> None:
        for prefix, folder in mounts.items():
            if not (prefix.startswith("/") and prefix.endswith("/")):
                raise ValueError(f"mount {prefix!r} must begin and end with a slash, like /client/")
            if not folder.is_dir():
                raise ValueError(f"mount {prefix!r}: {str(folder)!r} is no folder")
        ordered = sorted(mounts.items(), key=lambda mount: -len(mount[0]))
        self._mounts = [(prefix, folder.resolve()) for prefix, folder in ordered]

    def answer(self, request: Request) -> Response | None:
        """The answer to a request under one of the mounts, None for any other path."""
        mount = next((m for m in self._mounts if request.path.startswith(m[0])), None)
        if mount is None:
            return None
        prefix, folder = mount
        if request.method not in {"GET", "HEAD"}:
            return Response(
                405, b"files can be read only, by GET or HEAD\n", headers=(("Allow", "GET, HEAD"),)
            )
        found = _find(folder, request.path[len(prefix) :])
        if found is None:
            return Response(404, b"no such file\n")
        path, tag = found
        headers = (("ETag", tag), ("Cache-Control", "no-cache"))
        kind = _TYPES.get(path.suffix.lower(), _UNKNOWN_TYPE)
        if _has_tag(request.headers.get("if-none-match", ""), tag):
            return Response(304, b"", kind, headers)
        try:
            return Response(200, path.read_bytes(), kind, headers)
        except OSError:
            return Response(404, b"no such file\n")


def _find(folder: Path, rest: str) -> tuple[Path, str] | None:
    """The file below `folder` and its tag. `rest` is percent-decoded once, and never again."""
    if not rest or rest.endswith("/"):
        rest += "index.html"
    parts = rest.split("/")
    for part in parts:
        # A leading dot covers `.`, `..` and hidden names; a colon, drives and streams elsewhere.
        if not part or part.startswith(".") or any(char in part for char in "\\:\0"):
            return None
    try:
        # Links are followed first, so that what they lead to is judged and not what they are.
        path = folder.joinpath(*parts).resolve(strict=True)
        below = path.relative_to(folder)
        status = path.stat()
    except (OSError, ValueError, RuntimeError):
        return None
    if any(part.startswith(".") for part in below.parts):
        return None
    if not stat.S_ISREG(status.st_mode) or status.st_size > FILE_BYTES_MAX:
        return None
    return path, f'"{status.st_size:x}-{status.st_mtime_ns:x}"'


def _has_tag(header: str, tag: str) -> bool:
    """Whether If-None-Match names the tag; weak comparison (RFC 9110 section 13.1.2)."""
    candidates = [part.strip().removeprefix("W/") for part in header.split(",")]
    return tag in candidates or "*" in candidates
