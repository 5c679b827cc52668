"""The program's entry."""

import sys


def main() -> None:
    """Runs the command line. The version is told without loading anything: scripts ask for it often."""
    if sys.argv[1:] == ["--version"]:
        from lgtm_deploy import __version__

        print(f"lgtm-deploy {__version__}")
        return
    from lgtm_deploy.cli.app import run

    sys.exit(run())


if __name__ == "__main__":
    main()
