"""One process at a time: a lock file beside a store's file, held by `flock`.

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

    The lock is not on `path` itself: closing any descriptor of a database drops the locks that
    SQLite holds on it in this process.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock_path = path.with_name(path.name + ".lock")
        self._fd: int | None = None

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

    def release(self) -> None:
        """Let go of the lock; releasing what is not held does nothing."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


if sys.platform == "win32":

    def _lock(fd: int) -> None:
        """Without `flock`, the epochs inside SQLite's transactions alone keep writers apart."""

else:
    import fcntl

    def _lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
