"""How infrastructure is changed: by saved Terraform (or OpenTofu) plans only."""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from python_terraform import IsFlagged

from lgtm_deploy.adapters import child
from lgtm_deploy.adapters.terraform_file import check_file, is_planned_on, sha256_of, value_of
from lgtm_deploy.adapters.terraform_init import fingerprint, local_modules, make_copy
from lgtm_deploy.adapters.terraform_lock import LockWatch, Ownership
from lgtm_deploy.adapters.terraform_output import StateLock, changes_of, failure_of, lock_of
from lgtm_deploy.adapters.terraform_program import TerraformProgram
from lgtm_deploy.adapters.terraform_state import StateFile, attributes_in, local_state
from lgtm_deploy.core.errors import DeadlineError, InDoubtError, PermanentError
from lgtm_deploy.core.ports import PlannedChanges, Progress
from lgtm_deploy.core.terraform_files import LOCK_FILE
from lgtm_deploy.private import create_private, make_private

STAMP = "initialised"

NO_CHANGES, CHANGES = 0, 2
# How often somebody else's state lock is looked at, and told of, in seconds.
LOCK_POLL = 5.0


class TerraformInfrastructure:
    """Runs Terraform as a child that can always be stopped.

    Everything Terraform keeps for itself goes below `workspace`, one folder a root, and not into the user's tree. With
    `makes_lock_file` Terraform makes a missing dependency lock file, which is kept there, too; else a missing one that
    is needed is an error. `environment` is the child's whole
    environment. A state lock of somebody else is waited for as long as progress lets, at most `lock_timeout` seconds;
    `limit` is the longest that one command may take, in seconds. `ownership` knows the locks that may be given back
    after a kill: without it none is.
    """

    def __init__(
        self,
        *,
        workspace: Path,
        environment: Mapping[str, str],
        program: str | None = None,
        lock_timeout: float = 3600.0,
        limit: float = 3600.0,
        ownership: Ownership | None = None,
        makes_lock_file: bool = False,
    ) -> None:
        self._workspace = workspace
        self._makes_lock_file = makes_lock_file
        self._program = TerraformProgram(
            workspace=workspace, environment=environment, name=program, limit=limit, lends_lock_file=makes_lock_file
        )
        self._lock_timeout = lock_timeout
        self._ownership = ownership
        self._locks: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)
        self._alone: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)

    def init(
        self, root: Path, backend_config: Sequence[str], progress: Progress, *, copy_of: Path | None = None
    ) -> None:
        """Prepares the root. Nothing is run when nothing changed since the last time: loading providers costs seconds.

        Of a `copy_of` another root, the providers and a local state are that one's; its folder is written to.
        Raises PermanentError with Terraform's own first error.
        """
        if copy_of is not None:
            make_copy(root, self._program.folder(root), copy_of, self._program.folder(copy_of))
        with self._locks[root]:
            data = self._program.folder(root)
            stamp = data / STAMP
            program = Path(self._program.path())
            if stamp.is_file() and stamp.read_text(encoding="ascii") == fingerprint(
                program, self._program.environment, root, data, backend_config
            ):
                return
            stamp.unlink(missing_ok=True)
            options = {
                "reconfigure": IsFlagged,
                "backend_config": list(backend_config),
                # Without the providers' entries in a lock file nothing could be planned.
                "lockfile": None if self._makes_lock_file and not (root / LOCK_FILE).is_file() else "readonly",
            }
            done = self._program.run(root, progress, "init", **options)
            if done.exit_code != 0:
                raise failure_of("terraform init", root, done.errors)
            found = fingerprint(program, self._program.environment, root, data, backend_config)
            stamp.touch(mode=0o600)
            stamp.write_text(found, encoding="ascii")

    @contextmanager
    def alone(self, root: Path, progress: Progress) -> Iterator[None]:
        """Keep other threads of this process out of the root. Raises what progress raises while it waits."""
        lock = self._alone[root.resolve()]
        while not lock.acquire(timeout=child.POLL_SECONDS):
            progress("")
        try:
            yield
        finally:
            lock.release()

    def plan(
        self,
        root: Path,
        var_files: Sequence[Path],
        variables: Mapping[str, str],
        out: Path,
        progress: Progress,
        *,
        targets: Sequence[str] = (),
    ) -> PlannedChanges:
        """Saves a plan into `out`, readable by its owner only. Changes nothing outside.

        `variables` win over `var_files`. They are strings, as with `-var`; one that is a JSON list or object is given
        as such. Raises TransientError when somebody else holds the state's lock, naming them, and PermanentError when a
        local state is not the one that was left there.
        """
        state = self._state(root)
        if state:
            state.check()
        make_private(out.parent)
        create_private(out, b"")
        given = out.with_name(out.name + ".tfvars.json")
        # By file and not by -var: values never show in the process list.
        create_private(given, json.dumps({name: value_of(text) for name, text in variables.items()}).encode())
        try:
            done = self._locking(
                root,
                progress,
                "plan",
                out=str(out.resolve()),
                detailed_exitcode=IsFlagged,
                var_file=[str(file.resolve()) for file in (*var_files, given)],
                target=list(targets),
            )
        finally:
            given.unlink()
        if done.exit_code not in {NO_CHANGES, CHANGES}:
            raise failure_of("terraform plan", root, done.errors)
        sha256 = sha256_of(out)
        # Loading the providers again costs seconds, and where nothing changes there is nothing to be shown.
        shown = self._shown(root, out, progress) if done.exit_code == CHANGES else {}
        return PlannedChanges(file=out, sha256=sha256, changes=changes_of(shown), document=shown)

    def sources(self, root: Path) -> Sequence[Path]:
        """The root's folder and those of its local modules."""
        return [root, *local_modules(root, self._program.folder(root))]

    def attributes(self, root: Path) -> Mapping[str, Mapping[str, Any]]:
        """What the state has of each managed resource, by address. Raises PermanentError."""
        return attributes_in(self._pulled(root))

    def is_current(self, root: Path, plan: PlannedChanges) -> bool:
        """Whether the state is still the one that this saved plan was made from, by its lineage and serial, which is
        what Terraform itself compares when it applies one.

        Raises PermanentError when the file is gone or was changed, or the state cannot be read.
        """
        check_file(plan)
        return is_planned_on(plan.file, self._pulled(root))

    def shown(self, root: Path, plan: PlannedChanges) -> Mapping[str, Any]:
        """Return the document of a saved plan. Raises PermanentError when the file is gone or was changed."""
        check_file(plan)
        return self._shown(root, plan.file, lambda _: None)

    def _pulled(self, root: Path) -> str:
        # It holds secrets in the clear, so none of it is told.
        done = self._program.run(root, lambda _: None, "state pull", quiet=True)
        if done.exit_code != 0:
            raise failure_of("terraform state pull", root, done.errors)
        return "".join(done.output)

    def apply(self, root: Path, plan: PlannedChanges, progress: Progress) -> None:
        """Applies exactly that saved plan.

        Raises PermanentError when it is stale or its file was changed, or when a local state is not the one that was
        left there; InDoubtError when Terraform was killed or died.
        """
        check_file(plan)
        state = self._state(root)
        if state is None:
            self._apply_watched(root, plan, progress)
            return
        state.check()
        state.keep()
        try:
            # A lock on a local file ends with its process: there is nothing to give back.
            self._apply(root, plan, progress)
        finally:
            state.let_go()

    def _apply_watched(self, root: Path, plan: PlannedChanges, progress: Progress) -> None:
        if self._ownership is None:
            self._apply(root, plan, progress)
            return

        def meet(tell: Progress) -> StateLock | None:
            return lock_of(self._program.run(root, tell, "plan", lock_timeout="0s", refresh=False, quiet=True).errors)

        watch = LockWatch(self._ownership, meet, progress)
        try:
            self._apply(root, plan, watch, started=watch.started)
        finally:
            watch.end()

    def _apply(
        self, root: Path, plan: PlannedChanges, progress: Progress, started: Callable[[int], None] = lambda _: None
    ) -> None:
        what = "terraform apply"
        try:
            done = self._locking(root, progress, "apply", str(plan.file.resolve()), started=started)
        except child.KilledError as error:
            raise InDoubtError(
                f"{what} in {root} did not end when it was interrupted, and was killed.",
                resolution="Its state may be locked, and what it was doing is unknown.",
            ) from error.__cause__
        if done.exit_code < 0:
            raise InDoubtError(f"{what} in {root} was ended by signal {-done.exit_code}.")
        if done.exit_code != 0:
            raise failure_of(what, root, done.errors)

    def _locking(self, root: Path, progress: Progress, command: str, *arguments: str, **options: Any) -> child.Finished:
        """A command that takes the state's lock, tried again while somebody else has it."""
        began = time.monotonic()
        given_back: set[str] = set()
        while True:
            # It may forbid the command: the looks before it took time.
            progress("")
            done = self._program.run(root, progress, command, *arguments, lock_timeout="0s", **options)
            lock = lock_of(done.errors) if done.exit_code == 1 else None
            if lock is None:
                return done
            if lock.id not in given_back and self._is_given_back(root, lock, progress):
                given_back.add(lock.id)
            elif time.monotonic() - began < self._lock_timeout:
                _wait_for(lock, f"terraform {command} in {root}", progress)
            else:
                return done

    def _is_given_back(self, root: Path, lock: StateLock, progress: Progress) -> bool:
        """Gives a lock back that a Terraform of this run left behind; any other is never touched."""
        if self._ownership is None or not self._ownership.is_left_behind(lock):
            return False
        progress(f"giving back the state's lock {lock.id}: this run took it, and its Terraform is gone")
        return self._program.run(root, progress, "force-unlock", lock.id, force=IsFlagged).exit_code == 0

    def _shown(self, root: Path, plan: Path, progress: Progress) -> Mapping[str, Any]:
        # Its output holds sensitive values in the clear, so none of it is told.
        done = self._program.run(root, progress, "show", str(plan.resolve()), quiet=True, json=IsFlagged)
        if done.exit_code != 0:
            raise failure_of("terraform show", root, done.errors)
        try:
            shown: Mapping[str, Any] = json.loads("".join(done.output))
        except ValueError as error:
            raise PermanentError(f"terraform show in {root} did not answer with JSON.") from error
        return shown

    def _state(self, root: Path) -> StateFile | None:
        found = local_state(root, self._program.folder(root)) if root.is_dir() else None
        return StateFile(found, self._workspace.resolve() / "states") if found else None


def _wait_for(lock: StateLock, what: str, progress: Progress) -> None:
    """Waits a while. What is told is who holds the lock; nothing has been done until then."""
    again = time.monotonic() + LOCK_POLL
    try:
        progress(f"waiting for the state's lock, held by {lock}")
        while time.monotonic() < again:
            time.sleep(child.POLL_SECONDS)
            progress("")
    except (DeadlineError, InDoubtError) as error:
        raise DeadlineError(
            f"{what}: the state is still locked by {lock}: {error.message}.",
            resolution=f"Wait for them. Only if that is certainly over: `terraform force-unlock {lock.id}`.",
        ) from error
