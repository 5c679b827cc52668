"""Saved plans that change health checks and task definitions."""

import hashlib
import json
import os
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from lgtm_deploy.core.errors import InDoubtError, PermanentError
from lgtm_deploy.core.ports import HealthCheck, PlannedChanges, Progress
from lgtm_deploy.fakes.cloud import FakeCloud, FakeDefined, FakeRoot
from lgtm_deploy.fakes.plan_document import (
    change_of,
    definition_address,
    definition_entry,
    document_of,
    entry_of,
    service_entry,
)


class FakeInfrastructure:
    """Terraform roots of a FakeCloud; plans are real files."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        self._alone: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)

    def init(
        self, root: Path, backend_config: Sequence[str], progress: Progress, *, copy_of: Path | None = None
    ) -> None:
        """Prepares the root. Raises PermanentError when it does not exist or is broken."""
        progress("Initializing the backend...")
        self._cloud.perform(
            "infrastructure.init",
            lambda: self._root(root),
            root=root,
            backend_config=tuple(backend_config),
            copy_of=copy_of,
        )

    def sources(self, root: Path) -> Sequence[Path]:
        """The root's folder."""
        return [root]

    def attributes(self, root: Path) -> Mapping[str, Mapping[str, Any]]:
        """What the state has of each resource: what there is."""

        def look() -> Mapping[str, Mapping[str, Any]]:
            found = self._root(root)
            checks = {
                group: self._cloud.groups[group].health_check for group in found.paths if group in self._cloud.groups
            }
            entries = [
                *(entry_of(group, check, check) for group, check in checks.items()),
                *self._defined(found, as_it_is=True),
                *found.also,
            ]
            return {each["address"]: each["change"]["before"] for each in entries if each["change"]["before"]}

        return self._cloud.perform("infrastructure.attributes", look, root=root)

    @contextmanager
    def alone(self, root: Path, progress: Progress) -> Iterator[None]:
        """Keeps other threads of this process out of the root."""
        progress("")
        with self._alone[root.resolve()]:
            yield

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
        """Saves a plan into `out`, readable by its owner only."""
        progress("Refreshing state...")
        return self._cloud.perform(
            "infrastructure.plan",
            lambda: self._plan(self._root(root), variables, out, targets),
            root=root,
            var_files=tuple(var_files),
            variables=dict(variables),
            out=out,
            targets=tuple(targets),
        )

    def is_current(self, root: Path, plan: PlannedChanges) -> bool:
        """Whether nothing has changed the state since. Raises PermanentError when the file is gone or was changed."""
        return self._cloud.perform(
            "infrastructure.is_current",
            lambda: bool(self._saved(plan)["serial"] == self._root(root).serial),
            root=root,
            plan=plan,
        )

    def shown(self, root: Path, plan: PlannedChanges) -> Mapping[str, Any]:
        """Return the document of a saved plan. Raises PermanentError when the file is gone or was changed."""

        def look() -> Mapping[str, Any]:
            document: Mapping[str, Any] = self._saved(plan)["document"]
            return document

        return self._cloud.perform("infrastructure.shown", look, root=root, plan=plan)

    def apply(self, root: Path, plan: PlannedChanges, progress: Progress) -> None:
        """Applies exactly that saved plan. Raises PermanentError when it is stale or its file was changed."""
        progress("Modifying...")
        self._cloud.perform("infrastructure.apply", lambda: self._apply(self._root(root), plan), root=root, plan=plan)

    def _root(self, root: Path) -> FakeRoot:
        found = self._cloud.roots.get(root.resolve())
        if found is None:
            raise PermanentError(f"The Terraform root {root} does not exist.")
        if found.error:
            raise PermanentError(found.error)
        return found

    def _plan(self, root: FakeRoot, variables: Mapping[str, str], out: Path, targets: Sequence[str]) -> PlannedChanges:
        unknown = sorted(variables.keys() - root.variables.keys() - root.others.keys())
        if unknown:
            raise PermanentError(f"Value for undeclared variable: '{unknown[0]}'.")
        wanted = self._wanted(root, variables)
        entries = [
            *(entry_of(group, self._cloud.groups[group].health_check, check) for group, check in wanted.items()),
            *self._defined(root),
            *root.also,
        ]
        entries = [each for each in entries if not targets or each["address"] in targets]
        planned = [each["address"] for each in entries]
        checks = {
            group: asdict(check)
            for group, check in wanted.items()
            if entry_of(group, check, check)["address"] in planned
        }
        definitions = [name for name in root.definitions if definition_address(name) in planned]
        changing = [entry for entry in entries if entry["change"]["actions"] != ["no-op"]]
        document = {**document_of(entries), "complete": not targets} if changing else {}
        text = json.dumps({"serial": root.serial, "checks": checks, "definitions": definitions, "document": document})
        out.parent.mkdir(parents=True, exist_ok=True)
        out.unlink(missing_ok=True)
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        return PlannedChanges(
            file=out,
            sha256=hashlib.sha256(text.encode()).hexdigest(),
            changes=tuple(map(change_of, changing)),
            document=document,
        )

    def _defined(self, root: FakeRoot, *, as_it_is: bool = False) -> Sequence[Mapping[str, Any]]:
        """The entries of task definitions and their services: planned, or as they are."""
        found: list[Mapping[str, Any]] = []
        for name, wanted in root.definitions.items():
            service, known = self._cloud.services[name], self._cloud.defined[name]
            runs = service.wanted.revision.arn if service.wanted else service.revisions[-1].arn
            is_lost = not next(each.active for each in service.revisions if each.arn == known.arn)
            replaced = (wanted.containers != known.containers or is_lost) and not as_it_is
            after = wanted.containers if replaced else known.containers
            before = None if replaced and is_lost else known.containers
            found.append(definition_entry(name, known.arn, before, after))
            now = {
                "task_definition": runs,
                "health_check_grace_period_seconds": service.grace_period,
                "desired_count": service.desired,
                "wait_for_steady_state": wanted.waits,
            }
            then = now if as_it_is else {**now, "health_check_grace_period_seconds": wanted.grace}
            if wanted.desired is not None and not as_it_is:
                then = {**then, "desired_count": wanted.desired}
            if not wanted.ignored and not as_it_is:
                then = {**then, "task_definition": known.arn}
            unknown = ["task_definition"] if replaced and not wanted.ignored else []
            cluster = f"arn:aws:ecs:eu-west-1:{self._cloud.account}:cluster/{self._cloud.cluster}"
            found.append(service_entry(name, cluster, before=now, after=then, unknown=unknown))
        return found

    def _define(self, root: FakeRoot, name: str) -> None:
        """Registers what is committed, deregisters what it replaces, and gives it to the service."""
        service, wanted, known = self._cloud.services[name], root.definitions[name], self._cloud.defined[name]
        is_lost = not next(each.active for each in service.revisions if each.arn == known.arn)
        if wanted.containers != known.containers or is_lost:
            if root.breaks_off == "deregistered":
                root.breaks_off = ""
                next(each for each in service.revisions if each.arn == known.arn).active = False
                raise InDoubtError("Terraform was killed.")
            revision = self._cloud.register(service, {each["name"]: each["image"] for each in wanted.containers})
            for each in service.revisions:
                each.active = each.active and (each.arn != known.arn or wanted.kept)
            self._cloud.defined[name] = FakeDefined(arn=revision.arn, containers=wanted.containers)
            if root.breaks_off == "registered":
                root.breaks_off = ""
                raise InDoubtError("Terraform was killed.")
        service.grace_period = wanted.grace
        service.desired = service.desired if wanted.desired is None else wanted.desired
        arn = self._cloud.defined[name].arn
        runs = service.wanted.revision.arn if service.wanted else ""
        if not wanted.ignored and runs != arn:
            self._cloud.deploy(service, next(each for each in service.revisions if each.arn == arn))

    def _wanted(self, root: FakeRoot, variables: Mapping[str, str]) -> dict[str, HealthCheck]:
        """The health checks that the root would make, by target group."""
        groups = self._cloud.groups
        wanted = {
            group: replace(root.committed.get(group, groups[group].health_check), path=path)
            for group, path in sorted(root.paths.items())
            if group in groups
        }
        for name, value in variables.items():
            group, attribute = root.others.get(name) or (root.variables[name], "path")
            if group in wanted:
                kind = type(getattr(wanted[group], attribute))
                wanted[group] = replace(wanted[group], **{attribute: kind(value)})
        return wanted

    def _saved(self, plan: PlannedChanges) -> Mapping[str, Any]:
        if not plan.file.is_file():
            raise PermanentError(f"The saved plan {plan.file} is gone.", resolution="Plan again.")
        content = plan.file.read_bytes()
        if hashlib.sha256(content).hexdigest() != plan.sha256:
            raise PermanentError(f"The saved plan {plan.file} is not the one that was shown.")
        saved: Mapping[str, Any] = json.loads(content)
        return saved

    def _apply(self, root: FakeRoot, plan: PlannedChanges) -> None:
        saved = self._saved(plan)
        if saved["serial"] != root.serial:
            raise PermanentError("The saved plan is stale, the state changed since.", resolution="Plan again.")
        for name, check in saved["checks"].items():
            if name in self._cloud.groups:
                self._cloud.groups[name].health_check = HealthCheck(**check)
        for name in saved["definitions"]:
            self._define(root, name)
        root.serial += 1
