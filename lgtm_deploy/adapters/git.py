"""Revisions of the stack's files, by Git."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.ports import Revision
from lgtm_deploy.core.terraform_files import LOCK_FILE

# A repository may name programs to run: none is.
_NO_PROGRAMS = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
# What Terraform itself writes beside a root is no change of it.
_NOT_SOURCES = (
    ":(exclude,glob)**/*.tfstate*",
    ":(exclude,glob)**/.terraform/**",
    f":(exclude,glob)**/{LOCK_FILE}",
)
_SECONDS = 60.0


class GitSource:
    """The repository that `directory` is in."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._directory = directory
        kept = {name: value for name, value in environment.items() if not name.startswith("GIT_")}
        self._environment = {**kept, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}

    def revision(self, paths: Sequence[Path]) -> Revision:
        """The commit, and whether any of those files and folders differs from it or is not in it."""
        try:
            commit = self._git("rev-parse", "--verify", "HEAD").strip()
            known = self._known(paths)
            changed = self._git("status", "--porcelain", "--untracked-files=all", "--", *known, *_NOT_SOURCES)
        except PermanentError:
            return Revision()
        return Revision(commit=commit, dirty=bool(changed.strip()))

    def commits(self, paths: Sequence[Path], limit: int) -> Sequence[str]:
        """Return at most `limit` commits that changed those files or folders, from HEAD back, the newest first."""
        try:
            known = self._known(paths)
            return self._git("log", f"--max-count={limit}", "--format=%H", "HEAD", "--", *known).split()
        except PermanentError:
            return ()

    def is_shallow(self) -> bool:
        """Whether the repository has its newest commits only."""
        try:
            return self._git("rev-parse", "--is-shallow-repository").strip() == "true"
        except PermanentError:
            return False

    @contextmanager
    def checkout(self, commit: str, into: Path) -> Iterator[Callable[[Path], Path]]:
        """A worktree of that commit; what a killed process left there is removed first. Raises PermanentError."""
        top = self._top()
        self._remove(into)
        try:
            self._git("worktree", "add", "--detach", "--force", str(into), commit)

            def there(path: Path) -> Path:
                found = into / os.path.relpath(path.resolve(), top)
                if not found.exists():
                    raise PermanentError(f"{path.name} is not in revision {commit[:8]}.")
                return found

            yield there
        finally:
            self._remove(into)

    def _top(self) -> Path:
        return Path(self._git("rev-parse", "--show-toplevel").strip()).resolve()

    def _known(self, paths: Sequence[Path]) -> list[str]:
        """The paths, and where in the repository the links in them lead."""
        top, given = self._top(), [path.resolve() for path in paths]
        linked = (target for path in given for target in _links(path) if target.is_relative_to(top))
        return [str(path) for path in dict.fromkeys((*given, *linked))]

    def _remove(self, into: Path) -> None:
        shutil.rmtree(into, ignore_errors=True)
        self._git("worktree", "prune")

    def _git(self, *words: str) -> str:
        try:
            done = subprocess.run(
                ["git", *_NO_PROGRAMS, *words],
                cwd=self._directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PermanentError(f"git {words[0]} did not work: {error}.") from error
        if done.returncode != 0:
            said = (done.stderr.strip() or "no reason given").splitlines()[-1]
            raise PermanentError(f"git {words[0]}: {said}.")
        return done.stdout


def _links(folder: Path) -> Iterator[Path]:
    """The targets of the links in a folder; Terraform's own folder is left out."""
    for at, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if each != ".terraform"]
        yield from (each.resolve() for name in (*folders, *files) if (each := Path(at) / name).is_symlink())
