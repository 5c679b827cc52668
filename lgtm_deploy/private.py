"""How a folder of the tool's own is made: whoever may write to it could put another journal or plan there."""

from pathlib import Path

# The tool's own folder beside a stack file.
OWN_FOLDER = ".lgtm-deploy"


def make_private(folder: Path) -> None:
    """Makes the folder, and those above it that are missing, for their owner only; others stay as they are.

    `Path.mkdir` gives its mode to the last of them alone. The tool's own folder ignores itself, so that version control
    does not see it. Raises OSError.
    """
    try:
        folder.mkdir(mode=0o700)
    except FileNotFoundError:
        make_private(folder.parent)
        make_private(folder)
    except FileExistsError:
        if not folder.is_dir():
            raise
    ignored = folder / ".gitignore"
    if folder.name == OWN_FOLDER and not ignored.exists():
        ignored.write_text("*\n", encoding="utf-8")
