"""One process at a time: a lock file beside a store's file, and the file itself, by `flock`.

The kernel drops the lock when its holder dies in whatever way, so a killed process leaves nothing
to clean up; the lock file itself stays, because removing it would race with the next holder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from server.store.base import StoreUnavailable


class FileLock:
    """An exclusive claim on `path`, by a lock on `<path>.lock` (mode 0600, holds the pid).

    On Linux the file itself is locked too (`hold`), so that one with another name of the same file,
    a hard link, meets it. That lock goes with the descriptor: it is let go after the database is
    closed, since closing any descriptor of a file drops the locks SQLite has on it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock_path = path.with_name(path.name + ".lock")
        self._fd: int | None = None
        self._file_fd: int | None = None

    def acquire(self) -> None:
        """Take the lock or raise `StoreUnavailable`, naming the process that holds it."""
        fd = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(fd)
        except BlockingIOError:
            holder = os.read(fd, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            raise StoreUnavailable(
                f"{self._path} is in use by another process (pid {holder}): "
                "stop that process, or point --store elsewhere"
            ) from None
        except OSError:
            os.close(fd)
            raise
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
        self._fd = fd

    def hold(self) -> None:
        """Lock the file that is at `path` now, or raise `StoreUnavailable`."""
        self._let_file_go()
        fd = os.open(self._path, os.O_RDONLY)
        try:
            _lock_file(fd)
        except OSError as error:
            os.close(fd)
            raise StoreUnavailable(
                f"{self._path} is in use by another process under another name (a hard link): "
                "stop that process, or point --store elsewhere"
            ) from error
        self._file_fd = fd

    def in_place(self) -> bool:
        """Whether the file held is the one at `path`; raise `FileNotFoundError` where none is."""
        assert self._file_fd is not None, "a file is held"
        there, held = self._path.stat(), os.fstat(self._file_fd)
        return (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)

    def release(self) -> None:
        """Let go of the locks; releasing what is not held does nothing."""
        self._let_file_go()
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _let_file_go(self) -> None:
        if self._file_fd is not None:
            os.close(self._file_fd)
            self._file_fd = None


if sys.platform == "win32":

    def _lock(fd: int) -> None:
        """Without `flock`, the epochs inside SQLite's transactions alone keep writers apart."""

else:
    import fcntl

    def _lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock_file(fd: int) -> None:
    """Lock the database itself, where that does not meet SQLite's own locks, as on the BSDs."""
    if sys.platform == "linux":
        _lock(fd)
