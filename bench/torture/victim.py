"""lgtm-deploy, killed around its n-th write to the journal: `victim before|after N WORDS...`."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

from lgtm_deploy.cli.main import main as deploy
from lgtm_deploy.storage.local import LocalJournal


def main() -> None:
    """Kills this process when it comes to that write; nothing of it runs afterwards, no `finally` either."""
    when, number, words = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    append: Callable[..., Sequence[Any]] = LocalJournal.append
    writes = 0

    def mortal(journal: LocalJournal, *given: Any) -> Sequence[Any]:
        nonlocal writes
        writes += 1
        if writes == number and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        written = append(journal, *given)
        if writes == number and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return written

    LocalJournal.append = mortal  # type: ignore[method-assign]
    sys.argv = ["lgtm-deploy", *words]
    try:
        deploy()
    finally:
        sys.stderr.write(f"writes: {writes}\n")


if __name__ == "__main__":
    main()
