"""`python -m server`: the supervisor, or with --worker (given by the supervisor) a worker."""

from __future__ import annotations

import os
import sys

from server.config import parse_or_exit
from server.supervisor import require_assertions, supervise
from server.worker import make_log, run_worker
from shared.errors import ConfigError


def main() -> None:
    """Run until told to stop; exits with the status."""
    argv = sys.argv[1:]
    config = parse_or_exit(argv, os.environ)
    try:
        require_assertions()
        if config.worker is not None:
            raise SystemExit(run_worker(config))
        command = [sys.executable, "-m", "server", *argv]
        raise SystemExit(supervise(config, command, make_log(config)))
    except ConfigError as error:
        print(f"holdfast: {error}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
