"""`python -m server`: the supervisor, with --worker (given by it) a worker, or a command."""

from __future__ import annotations

import os
import sys

from server.commands import COMMANDS, run_command
from server.config import parse_or_exit
from server.supervisor import require_assertions, supervise
from server.worker import check_settings, make_log, run_worker, tell_stuck
from shared.errors import ConfigError


def main() -> None:
    """Run until told to stop, or do what was asked; exits with the status."""
    argv = sys.argv[1:]
    try:
        require_assertions()
        if argv and argv[0] in COMMANDS:
            raise SystemExit(run_command(argv, os.environ))
        config = parse_or_exit(argv, os.environ)
        if config.worker is not None:
            raise SystemExit(run_worker(config))
        # Once the port is bound, somebody may come; what is wrong is said before.
        folders = check_settings(config)
        command, log = [sys.executable, "-m", "server", *argv], make_log(config)
        raise SystemExit(supervise(config, command, log, folders, tell_stuck(config, log)))
    except ConfigError as error:
        print(f"holdfast: {error}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
