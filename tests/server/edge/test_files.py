"""Static files: what lies under a mount, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from server.edge import files
from server.edge.files import Files
from server.edge.request import Request, Response
from tests.server.edge.rig import make, serving


@pytest.fixture
def root(tmp_path: Path) -> Path:
    client = tmp_path / "client"
    (client / "deep" / "er").mkdir(parents=True)
    (client / ".hidden").mkdir()
    (client / "index.html").write_text("<p>index")
    (client / "main.js").write_text("export {};")
    (client / "deep" / "er" / "Code.MJS").write_text("export {};")
    (client / "with space.txt").write_text("spaced")
    (client / "data.bin").write_bytes(b"\0\1")
    (client / ".env").write_text("SECRET")
    (client / ".hidden" / "x.txt").write_text("SECRET")
    (tmp_path / "secret.txt").write_text("SECRET")
    (tmp_path / "client-secret").mkdir()
    (tmp_path / "client-secret" / "x.txt").write_text("SECRET")
    (client / "out.txt").symlink_to(tmp_path / "secret.txt")
    (client / "outdir").symlink_to(tmp_path)
    (client / "tohidden.txt").symlink_to(client / ".env")
    (client / "inside.txt").symlink_to(client / "with space.txt")
    (client / "loop").symlink_to(client / "loop")
    os.mkfifo(client / "pipe.txt")
    return client


def ask(root: Path, path: str, method: str = "GET", tag: str = "") -> Response | None:
    headers = {"if-none-match": tag} if tag else {}
    request = Request(method, path, {}, headers, b"", "192.0.2.7", "play.example")
    return Files({"/client/": root}).answer(request)


@pytest.mark.parametrize(
    ("path", "kind", "body"),
    [
        ("/client/", "text/html; charset=utf-8", b"<p>index"),
        ("/client/index.html", "text/html; charset=utf-8", b"<p>index"),
        ("/client/main.js", "text/javascript; charset=utf-8", b"export {};"),
        ("/client/deep/er/Code.MJS", "text/javascript; charset=utf-8", b"export {};"),
        ("/client/with space.txt", "text/plain; charset=utf-8", b"spaced"),
        ("/client/inside.txt", "text/plain; charset=utf-8", b"spaced"),
        ("/client/data.bin", "application/octet-stream", b"\0\1"),
    ],
)
def test_files_under_the_mount_are_served(root: Path, path: str, kind: str, body: bytes) -> None:
    response = ask(root, path)
    assert response is not None
    assert (response.status, response.content_type, response.body) == (200, kind, body)
    assert ("Cache-Control", "no-cache") in response.headers


@pytest.mark.parametrize(
    "path",
    [
        "/client/../secret.txt",
        "/client/deep/../../secret.txt",
        "/client/..\\secret.txt",
        "/client/%2e%2e/secret.txt",
        "/client//etc/passwd",
        "/client/./main.js",
        "/client/main.js/",
        "/client/main.js\0.txt",
        "/client/C:/secret.txt",
        "/client/.env",
        "/client/.hidden/x.txt",
        "/client/out.txt",
        "/client/outdir/secret.txt",
        "/client/tohidden.txt",
        "/client/loop",
        "/client/pipe.txt",
        "/client/deep",
        "/client/deep/",
        "/client/absent.txt",
        "/client/" + "x" * 5000,
        "/client/" + "x/" * 5000,
    ],
)
def test_nothing_else_is(root: Path, path: str) -> None:
    response = ask(root, path)
    assert response is not None
    assert response.status == 404
    assert b"SECRET" not in response.body


@pytest.mark.parametrize("path", ["/", "/client", "/client-secret/x.txt", "/other/main.js"])
def test_paths_outside_the_mounts_are_left_to_others(root: Path, path: str) -> None:
    assert ask(root, path) is None


def test_tag_saves_the_body_until_the_file_changes(root: Path) -> None:
    first = ask(root, "/client/main.js")
    assert first is not None
    tag = dict(first.headers)["ETag"]
    for sent in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = ask(root, "/client/main.js", tag=sent)
        assert again is not None
        assert (again.status, again.body, dict(again.headers)["ETag"]) == (304, b"", tag)
    (root / "main.js").write_text("export const changed = 1;")
    changed = ask(root, "/client/main.js", tag=tag)
    assert changed is not None
    assert changed.status == 200


def test_files_are_read_only_and_bounded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    posted = ask(root, "/client/main.js", "POST")
    assert posted is not None
    assert (posted.status, posted.headers) == (405, (("Allow", "GET, HEAD"),))
    monkeypatch.setattr(files, "FILE_BYTES_MAX", 5)
    large = ask(root, "/client/main.js")
    assert large is not None
    assert large.status == 404


def test_longest_mount_decides(root: Path) -> None:
    mounted = Files({"/": root, "/deep/": root / "deep" / "er"})
    request = Request("GET", "/deep/Code.MJS", {}, {}, b"", "", "")
    response = mounted.answer(request)
    assert response is not None
    assert response.status == 200


def test_mounts_that_make_no_sense_are_named(root: Path) -> None:
    with pytest.raises(ValueError, match="slash"):
        Files({"/client": root})
    with pytest.raises(ValueError, match="no folder"):
        Files({"/client/": root / "absent"})


@pytest.mark.parametrize(
    "target",
    [
        "/client/../secret.txt",
        "/client/%2e%2e/secret.txt",
        "/client/%2e%2e%2fsecret.txt",
        "/client/..%5csecret.txt",
        "/client/%252e%252e/secret.txt",
        "/client/%2eenv",
        "/client/out.txt",
        "//client/../secret.txt",
    ],
)
async def test_traversal_through_a_socket(root: Path, target: str) -> None:
    mounted = Files({"/client/": root})

    async def handle(request: Request) -> Response:
        return mounted.answer(request) or Response(404, b"nothing here\n")

    async with serving(make(handle=handle)) as rig:
        fields = "Host: a\r\nConnection: close\r\n\r\n"
        answer = await rig.ask(f"GET {target} HTTP/1.1\r\n{fields}".encode())
        assert answer.startswith(b"HTTP/1.1 404 ")
        assert b"SECRET" not in answer
        good = await rig.ask(f"GET /client/main.js HTTP/1.1\r\n{fields}".encode())
        assert b"Content-Type: text/javascript; charset=utf-8\r\n" in good
        assert b"X-Content-Type-Options: nosniff\r\n" in good
        assert good.endswith(b"export {};")
