"""Starts the sandbox: ``python -m shim`` in MiniStack's own virtual environment."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run the sandbox; 2 where the installed MiniStack is not the one this shim fits."""
    # Read by MiniStack on import: its 10 seconds are too few for a pull on a busy machine.
    os.environ.setdefault("MINISTACK_DOCKER_TIMEOUT", "120")
    os.environ.setdefault("BIND_HOST", "127.0.0.1")
    sys.argv = sys.argv[:1]

    from .pin import misfit  # noqa: PLC0415 - after the environment is set

    problem = misfit()
    if problem:
        print(problem, file=sys.stderr)
        return 2

    from .sandbox import serve  # noqa: PLC0415 - after the check
    from .settings import Settings  # noqa: PLC0415 - after the check

    serve(Settings.from_environment(os.environ))
    return 0


if __name__ == "__main__":
    sys.exit(main())
