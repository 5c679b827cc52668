"""One Terraform (or OpenTofu) command, run in a root."""

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path

from python_terraform import IsFlagged, Terraform

from lgtm_deploy.adapters import child
from lgtm_deploy.adapters.terraform_lock_file import lent_lock_file
from lgtm_deploy.core.errors import MissingToolError, PermanentError
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.private import make_private

# They would change what a command does, or write values and tokens among the errors.
DROPPED = ("TF_CLI_ARGS", "TF_LOG", "TF_INPUT", "TF_WORKSPACE", "TF_DATA_DIR")

_WITHOUT_INPUT = ("show", "state pull", "force-unlock")

# A cloud runner kills about 10 s after its SIGTERM; 4 s of them are over when an apply is interrupted.
GRACE = 4.0
# A plan that is interrupted still has the state's lock to give back: killed before, it would keep everybody out.
PLAN_GRACE = 25.0


class TerraformProgram:
    """Runs single commands, each as a child that can always be stopped.

    Everything Terraform keeps for itself goes below `workspace`, one folder a root. `environment` is the child's whole
    environment; `limit` is the longest that one command may take, in seconds. `lends_lock_file`: a root without a
    dependency lock file has one while a command runs.
    """

    def __init__(
        self,
        *,
        workspace: Path,
        environment: Mapping[str, str],
        name: str | None,
        limit: float,
        lends_lock_file: bool = False,
    ) -> None:
        self._lends_lock_file = lends_lock_file
        self.environment = _cleaned(environment)
        self._workspace = workspace
        self._name = name
        self._limit = limit

    def run(
        self,
        root: Path,
        progress: Progress,
        command: str,
        *arguments: str,
        quiet: bool = False,
        started: Callable[[int], None] = lambda _: None,
        **options: object,
    ) -> child.Finished:
        """Runs it to its end, whatever its exit code. `quiet`: none of its output is told. `started` is given its pid.

        Raises PermanentError when there is no such root, MissingToolError, what `progress` raises, and KilledError when
        an apply outlived its interrupt.
        """
        if not root.is_dir():
            raise PermanentError(f"The Terraform root {root} does not exist.")
        data = self.folder(root)
        # Of python-terraform only the command line is used: it waits without a timeout and hides the process.
        # The folder keeps it from reading a state file of the working directory.
        line = Terraform(working_dir=str(data), terraform_bin_path=self.path()).generate_cmd_string(
            command,
            *arguments,
            no_color=IsFlagged,
            **({} if command in _WITHOUT_INPUT else {"input": False}),
            **options,
        )
        environment = {**self.environment, "TF_DATA_DIR": str(data), "TF_IN_AUTOMATION": "1"}
        asked = child.Command(
            arguments=line,
            directory=root,
            environment=environment,
            limit=self._limit,
            quiet=quiet,
            grace=PLAN_GRACE if command == "plan" else GRACE,
            # If this process is killed, Terraform still writes its state and gives its lock back.
            lasting=True,
            started=started,
        )
        try:
            with lent_lock_file(root, data) if self._lends_lock_file else nullcontext():
                return child.run(asked, progress)
        except child.KilledError as error:
            if command == "apply":
                raise
            # It only looked: why it was stopped is all there is to say.
            raise error.__cause__ or error from None

    def path(self) -> str:
        """Where it is. Raises MissingToolError."""
        path = self.environment.get("PATH", os.defpath)
        for name in (self._name,) if self._name else ("terraform", "tofu"):
            found = shutil.which(name, path=path)
            if found:
                return found
        raise MissingToolError(
            f"{self._name or 'Terraform'} is not installed.",
            resolution="Put `terraform` (1.5 or later) or `tofu` on the PATH.",
        )

    def folder(self, root: Path) -> Path:
        """What Terraform keeps for itself of a root; made where it is not there."""
        whole = str(root.resolve())
        folder = (
            self._workspace.resolve() / "terraform" / f"{root.name}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"
        )
        make_private(folder)
        return folder


def _cleaned(environment: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in environment.items() if not name.startswith(DROPPED)}
    # Terraform only warns of a missing CLI configuration, on every command.
    if not Path(kept.get("TF_CLI_CONFIG_FILE", "")).is_file():
        kept.pop("TF_CLI_CONFIG_FILE", None)
    return kept
