"""`python -m lgtm_deploy.sandbox remove HOME`: takes away everything that sandboxes made; for `make clean` and CI."""

import sys
from pathlib import Path

from lgtm_deploy.core.errors import DeployError
from lgtm_deploy.sandbox.home import Home
from lgtm_deploy.sandbox.lifecycle import remove

_USAGE = "usage: python -m lgtm_deploy.sandbox remove HOME\n"


def _tell(text: str) -> None:
    if text:
        sys.stderr.write(f"{text}\n")


def main() -> int:
    """Exit code 2 for wrong usage, 1 for a failure."""
    match sys.argv[1:]:
        case ["remove", home]:
            pass
        case _:
            sys.stderr.write(_USAGE)
            return 2
    try:
        remove(Home(path=Path(home).absolute()), _tell)
    except DeployError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
