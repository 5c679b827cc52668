"""How a folder of the tool's own is made: whoever may write to it could put another journal or plan there."""

from pathlib import Path


def make_private(folder: Path) -> None:
    """Makes the folder, and those above it that are missing, for their owner only; others stay as they are.

    `Path.mkdir` gives its mode to the last of them alone. Raises OSError.
    """
    try:
        folder.mkdir(mode=0o700)
    except FileNotFoundError:
        make_private(folder.parent)
        make_private(folder)
    except FileExistsError:
        if not folder.is_dir():
            raise
