"""Files of the repository that the stack's folder is in: CI workflows."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from lgtm_deploy.steps.text_files import text_of


def workflow_files(directory: Path) -> Mapping[str, str]:
    """Return the text of each workflow by its path in the repository (GitHub, GitLab: default locations)."""
    top = next((each for each in (directory, *directory.parents) if (each / ".git").exists()), directory)
    return {str(file.relative_to(top)): text for file in _files(top) if (text := text_of(file)) is not None}


def _files(top: Path) -> Iterator[Path]:
    for ending in ("yml", "yaml"):
        yield from sorted((top / ".github" / "workflows").glob(f"*.{ending}"))
    yield from sorted(top.glob(".gitlab-ci.yml"))
