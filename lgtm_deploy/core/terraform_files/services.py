"""ECS services that the files of a Terraform root declare."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lgtm_deploy.core.terraform_files.hcl import attributes, blocks, bodies, parsed
from lgtm_deploy.core.terraform_files.root import RootFiles, module_scope
from lgtm_deploy.core.terraform_files.values import Fit, Scope, fit

TYPE = "aws_ecs_service"
_ATTRIBUTE = "task_definition"
_LOCAL = re.compile(r"\blocal\.(\w+)")
# Terraform: data source aws_ecs_task_definition: the newest ACTIVE revision of a family. A service that names a family
# alone has no revision in its state (terraform-provider-aws, resource aws_ecs_service, task_definition).
_NEWEST = re.compile(r"\bdata\.aws_ecs_task_definition\b|\baws_ecs_task_definition\.[\w\[\]\".-]+\.family\s*\}?\"?$")
_ECS_MODULE = re.compile(r"\becs\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class DeclaredService:
    """A block that manages one ECS service, or more.

    `ignores`: Terraform leaves the service on the task definition that others deploy. `ignore_line` is the line of the
    block's `ignore_changes`, 0: it has none. `source` is the address of a module whose files are not here. `certain`:
    the files say that it is there at all.
    """

    root: str
    file: str
    line: int
    name: Any
    ignores: bool
    ignore_line: int = 0
    source: str = ""
    certain: bool = True

    def manages(self, ecs_service: str) -> Fit:
        """Return whether it manages the ECS service of that name."""
        found = fit(self.name, ecs_service)
        return "perhaps" if found == "yes" and not self.certain else found

    @property
    def place(self) -> str:
        """`file:line`."""
        return f"{self.file}:{self.line}"


def declared_services(root: RootFiles) -> list[DeclaredService]:
    """Return the services that a root declares, its local modules included. Raises NotHclError."""
    if not any(TYPE in text or _ECS_MODULE.search(text) for text in root.texts):
        return []
    return list(_in_module(root, root.folder, root.scope(), seen=()))


def _in_module(root: RootFiles, folder: str, scope: Scope, seen: tuple[str, ...]) -> Iterator[DeclaredService]:
    files = root.modules.get(folder, {})
    for file, text in files.items():
        document = parsed(text)
        for label, body in blocks(document, "resource", TYPE):
            line = _line_of(text, rf'resource\s+"?{TYPE}"?\s+"?{re.escape(label)}"?')
            for instance in scope.instances(body):
                yield DeclaredService(
                    root=root.name,
                    file=file,
                    line=line,
                    name=instance.value(body.get("name")),
                    ignores=_ignores(body, scope),
                    ignore_line=_ignore_line(text, line),
                    certain=instance.certain,
                )
        for label, body in blocks(document, "module"):
            line = _line_of(text, rf'module\s+"?{re.escape(label)}"?')
            source = str(scope.value(body.get("source")))
            called = posixpath.normpath(posixpath.join(folder, source))
            for instance in scope.instances(body):
                given = {name: instance.value(value) for name, value in attributes(body).items()}
                if source.startswith((".", "/")):
                    if called not in seen:
                        inner = module_scope(root.modules.get(called, {}), given)
                        inner = replace(inner, certain=instance.certain)
                        yield from _in_module(root, called, inner, (*seen, folder))
                elif _ECS_MODULE.search(source):
                    # terraform-aws-modules/ecs//modules/service has this switch.
                    ignores = given.get("ignore_task_definition_changes") is True
                    yield DeclaredService(
                        root=root.name,
                        file=file,
                        line=line,
                        name=given.get("name"),
                        ignores=ignores,
                        source=source,
                        certain=instance.certain,
                    )


def _ignores(body: Mapping[str, Any], scope: Scope) -> bool:
    ignored = [each.get("ignore_changes") for each in bodies(body, "lifecycle")]
    names = {_bare(name) for each in ignored for name in (each if isinstance(each, list) else [each])}
    if names & {_ATTRIBUTE, "all"}:
        return True
    return _NEWEST.search(_spelled(str(body.get(_ATTRIBUTE, "")), scope)) is not None


def _bare(name: Any) -> str:
    return str(name).removeprefix("${").removesuffix("}").strip('"')


def _spelled(expression: str, scope: Scope) -> str:
    """Return the expression with its locals written out, one level deep."""
    return _LOCAL.sub(lambda found: str(scope.locals.get(found[1], found[0])), expression)


def _line_of(text: str, pattern: str) -> int:
    found = re.search(rf"^[ \t]*{pattern}", text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else 1


def _ignore_line(text: str, start: int) -> int:
    """Return the line of `ignore_changes` in the block that begins in that line; 0: it has none."""
    for number, line in enumerate(text.splitlines()[start - 1 :], start=start):
        if re.match(r"[^#]*\bignore_changes\s*=", line):
            return number
        if line.startswith("}"):
            break
    return 0
