"""The listening socket: bound by the supervisor, accepted on by its workers.

A worker inherits the socket and one end of its lifeline, a pair of connected sockets. Over that it
says once that it serves; and when the supervisor dies, however it dies, the lifeline ends,
and the worker ends itself.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
from typing import Final

from server.settings import Inherited
from shared.errors import ConfigError

# Connections that wait while workers start; the kernel lowers it to its own limit.
BACKLOG: Final = 4096
SERVING: Final = b"+"
EXIT_ORPHANED: Final = 1


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen; raise `ConfigError` naming the flag that changes what is in the way."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except PermissionError:
        problem = f"--port {port}: this user may not bind it; give a port of 1024 or more"
    except socket.gaierror:
        problem = f"--host {host}: no such address; give 0.0.0.0, 127.0.0.1 or an address of yours"
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            problem = (
                f"--port {port}: another program listens there; end it, or choose another with "
                "--port (or HOLDFAST_PORT)"
            )
        else:
            reason = os.strerror(error.errno) if error.errno else str(error)
            problem = f"--host {host} --port {port}: {reason}; give an address of this machine"
    raise ConfigError(problem)


def describe(listener: socket.socket) -> str:
    """Name the address a socket listens on, as in `0.0.0.0:8080` or `[::]:8080`."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def adopt(inherited: Inherited) -> socket.socket:
    """In the worker: take the listening socket, and end this process when its supervisor does."""
    for fd in inherited[:4]:
        os.set_inheritable(fd, False)
    threading.Thread(
        target=_die_with, args=(inherited.lifeline,), name="lifeline", daemon=True
    ).start()
    return socket.socket(fileno=inherited.listener)


def say_serving(inherited: Inherited) -> None:
    """In the worker, once it accepts: the supervisor counts on it from now on."""
    # If the supervisor is gone, the lifeline's thread is about to say so.
    with contextlib.suppress(OSError):
        os.write(inherited.lifeline, SERVING)


def _die_with(lifeline: int) -> None:
    # The supervisor writes nothing: reading returns when its end is closed, and fails when it
    # died without having read that this worker serves.
    with contextlib.suppress(OSError):
        os.read(lifeline, 1)
    # Whoever read our log may have died with the supervisor; that is no reason to live on.
    with contextlib.suppress(OSError):
        os.write(2, b"holdfast: the supervisor is gone, so this worker ends too\n")
    os._exit(EXIT_ORPHANED)
