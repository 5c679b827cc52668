"""From `lgtm-deploy.yaml` to a Stack in one environment."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from lgtm_deploy.config.documents import (
    EnvironmentDocument,
    FromEnvironment,
    FromTerraform,
    HeadersDocument,
    ServiceDocument,
    StackDocument,
    VersionDocument,
    checked,
)
from lgtm_deploy.config.source import Source, read
from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.stack import Environment, Header, Secret, Service, Stack, TerraformRoot

NO_TENANT = "none"
# Header -> what to do instead.
_OWN_HEADERS = {
    "x-scope-orgid": "Set `tenant` of the environment or of the service.",
    **dict.fromkeys(("host", "content-length", "content-type", "connection", "transfer-encoding"), "Leave it out."),
}
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})
FILE_NAME = "lgtm-deploy.yaml"
# Keys in which `${{ env }}` may stand.
_FILLED_IN = ("repository", "ecs_service", "target_group", "pinned_tag")
_EXPRESSION = re.compile(r"\$\{\{\s*((?:(?!\}\}).)*?)\s*\}\}")


def find(start: Path) -> Path:
    """The stack file in a folder or in the nearest one above it. Raises UsageError when there is none."""
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    raise UsageError(
        f"There is no {FILE_NAME} in {start} or above it.",
        resolution="Change into your stack's folder, or name the file with --stack.",
    )


def environments(file: Path) -> tuple[str, ...]:
    """The names of the environments in a stack file. Raises UsageError with file:line:column."""
    return tuple(checked(StackDocument, read(file)).environments)


def states(file: Path) -> Mapping[str, str]:
    """Where each environment's state is, by its name. Raises UsageError with file:line:column."""
    return {name: each.state for name, each in checked(StackDocument, read(file)).environments.items()}


def load(file: Path, environment: str | None, *, is_started: bool = False) -> Stack:
    """The stack as that environment has it; None: the only environment. Raises UsageError with file:line:column.

    `is_started`: the files beside it are those of the start state, and its folder is not there.
    """
    source = read(file)
    document = checked(StackDocument, source)
    name = environment or _only(document.environments, file)
    if name not in document.environments:
        known = ", ".join(document.environments)
        raise UsageError(f"{file} has no environment '{name}'.", resolution=f"It has: {known}.")
    directory = file.resolve().parent
    place = _environment(source, name, document.environments[name], directory)
    return Stack(
        name=document.name,
        directory=directory,
        services={key: _service(source, place, key, each, directory) for key, each in document.services.items()},
        environment=place,
        start_state="" if is_started else _start_state(source, document.start_state, directory),
        other_environments=tuple(each for each in document.environments if each != name),
    )


def _only(environments: Mapping[str, EnvironmentDocument], file: Path) -> str:
    if len(environments) == 1:
        return next(iter(environments))
    raise UsageError(
        f"{file} has {len(environments)} environments.", resolution=f"Name one with --env: {', '.join(environments)}."
    )


def _service(
    source: Source, environment: Environment, name: str, document: ServiceDocument, directory: Path
) -> Service:
    def filled(key: str, text: str) -> str:
        return _filled(source, environment.name, ("services", name, key), text)

    _there(source, ("services", name, "context"), document.context, directory, directory)
    _there(source, ("services", name, "dockerfile"), document.dockerfile, directory / document.context, directory)
    if not (directory / document.context / document.dockerfile).is_file():
        raise source.fault(
            ("services", name, "dockerfile"), f"{document.dockerfile} is no file", "Name the Dockerfile."
        )
    filled_in = {key: filled(key, getattr(document, key)) for key in _FILLED_IN}
    own = {
        "name": name,
        "container": document.container or name,
        "version": _version(source, environment, name, document, directory),
        "tenant": _tenant(source, name, document),
        "headers": _headers(source, ("services", name, "headers"), document.headers),
        "task_definition": _task_definition(source, environment, name, document),
    }
    return Service(**{**vars(document), **filled_in, **own})


def _task_definition(source: Source, environment: Environment, name: str, document: ServiceDocument) -> str:
    """Return the Terraform root that releases a service; empty: none does."""
    path = ("services", name, "task_definition", "terraform")
    if not isinstance(document.task_definition, FromTerraform):
        return ""
    root, roots = document.task_definition.terraform, environment.terraform
    if root not in roots:
        known = f"It has: {', '.join(roots)}." if roots else "It has none."
        raise source.fault(path, f"environment '{environment.name}' has no Terraform root '{root}'", known)
    if document.pinned_tag:
        advice = "Leave `pinned_tag` out: the tag is the one that Terraform's files name."
        raise source.fault(path, "a service that Terraform releases has no pinned tag", advice)
    return root


def _environment(source: Source, name: str, document: EnvironmentDocument, directory: Path) -> Environment:
    roots: dict[str, TerraformRoot] = {}
    for key, each in document.terraform.items():
        path = ("environments", name, "terraform", key)
        _there(source, (*path, "root"), each.root, directory, directory)
        for field, files in (("var_files", each.var_files), ("backend_config", each.backend_config)):
            for position, file in enumerate(files):
                if field == "backend_config" and "=" in file:
                    continue
                _there(source, (*path, field, position), file, directory, directory)
        roots[key] = TerraformRoot(**vars(each), name=key)
    _bundle(source, ("environments", name, "ca_bundle"), document.ca_bundle, directory)
    own = {
        "name": name,
        "tenant": "" if document.tenant == NO_TENANT else document.tenant,
        "headers": _headers(source, ("environments", name, "headers"), document.headers),
        "secrets": _secrets(source, name, document),
        "terraform": roots,
    }
    return Environment(**{**vars(document), **own})


def _start_state(source: Source, text: str, directory: Path) -> str:
    """Return the folder of the start state, relative to the stack file. Raises UsageError for what is no folder."""
    if not text:
        return ""
    path = ("start_state",)
    _there(source, path, text, directory, directory)
    folder = Path(os.path.normpath(text))
    if not (directory / folder).is_dir():
        raise source.fault(path, f"{text} is no folder", "Name the folder with the files as they run today.")
    if folder == Path():
        raise source.fault(path, f"'{text}' is the stack's own folder", "Name a folder inside it.")
    return str(folder)


def _version(source: Source, environment: Environment, name: str, document: ServiceDocument, directory: Path) -> str:
    """Return the version, wherever it is written down. Raises UsageError with file:line:column."""
    version = document.version
    path = ("services", name, "version")
    if isinstance(version, str):
        return version
    if version.dockerfile:
        file = f"{document.context}/{document.dockerfile}"
        return _argument(source, (*path, "dockerfile"), directory, file, version.dockerfile)
    return _variable(source, path, environment, directory, version)


def _argument(source: Source, path: tuple[str, ...], directory: Path, file: str, name: str) -> str:
    """Return the default of an ARG of a Dockerfile (Docker: Dockerfile reference, ARG)."""
    pattern = rf"^[ \t]*ARG[ \t]+(?:.*[ \t])?{name}=[\"']?(?P<default>[^\s\"']+)"
    text = (directory / file).read_text(encoding="utf-8", errors="replace")
    found = re.search(pattern, text, re.MULTILINE | re.IGNORECASE)
    if found and "$" not in found["default"]:
        return found["default"]
    advice = "Give the ARG a default, or write the version here."
    if found:
        raise source.fault(path, f"{file} takes {name} from another variable: {found['default']}", advice)
    raise source.fault(path, f"{file} has no `ARG {name}=…`", advice)


def _variable(
    source: Source, path: tuple[str, ...], environment: Environment, directory: Path, version: VersionDocument
) -> str:
    """Return the value of a Terraform variable, as the root's files set it."""
    from lgtm_deploy.core.terraform_files import NotHclError  # noqa: PLC0415 - few stack files need it
    from lgtm_deploy.steps.terraform_files import root_files  # noqa: PLC0415

    root = environment.terraform.get(version.terraform or "")
    if root is None:
        known = ", ".join(environment.terraform) or "none"
        message = f"environment '{environment.name}' has no Terraform root '{version.terraform}'"
        raise source.fault((*path, "terraform"), message, f"It has: {known}.")
    found = root_files(directory, root)
    try:
        value = found.variable(version.variable)
    except NotHclError as error:
        file, fault = next(iter(found.unreadable()), ("", error))
        raise source.fault((*path, "terraform"), f"{file}:{fault.line}:{fault.column} cannot be parsed") from error
    if isinstance(value, str) and value:
        return value
    raise source.fault(
        (*path, "variable"),
        f"no file of Terraform root '{version.terraform}' sets {version.variable} to a text",
        "Set it in one of `var_files`, give the variable a default, or write the version here.",
    )


def _tenant(source: Source, name: str, document: ServiceDocument) -> str | None:
    """Return the tenant of a service; None: the file does not name one; empty: the service keeps no tenants apart."""
    if "tenant" not in source.values["services"][name]:
        return None
    return "" if document.tenant in (None, NO_TENANT) else document.tenant


def _headers(source: Source, path: tuple[str, ...], document: HeadersDocument) -> tuple[Header, ...]:
    """Return the headers. Raises UsageError for one that lgtm-deploy sets, and for a login that is written down."""
    known: set[str] = set()
    found: list[Header] = []
    for name, value in document.items():
        where, low = (*path, name), name.lower()
        if low in _OWN_HEADERS:
            raise source.fault(where, f"lgtm-deploy sets {name} itself", _OWN_HEADERS[low])
        if low in known:
            raise source.fault(where, f"{name} is there twice: case does not matter in the name of a header")
        known.add(low)
        if isinstance(value, FromEnvironment):
            found.append(Header(name=name, variable=value.env))
            continue
        if low in _SECRET_HEADERS:
            advice = f"Write `{name}: {{env: VARIABLE}}`, and set that environment variable."
            raise source.fault(where, f"a value of {name} is secret and does not belong in this file", advice)
        found.append(Header(name=name, value=value))
    return tuple(found)


def _secrets(source: Source, name: str, document: EnvironmentDocument) -> tuple[Secret, ...]:
    """Return the secrets that a sandbox makes. Raises UsageError where the environment is none."""
    if document.secrets and document.endpoint != "sandbox":
        path = ("environments", name, "secrets")
        advice = "Leave `secrets` out: lgtm-deploy makes no secrets in AWS."
        raise source.fault(path, f"environment '{name}' is no sandbox (`endpoint: sandbox`)", advice)
    return tuple(
        Secret(name=key, variable=value.env) if isinstance(value, FromEnvironment) else Secret(name=key, value=value)
        for key, value in document.secrets.items()
    )


def _bundle(source: Source, path: tuple[str, ...], text: str, directory: Path) -> None:
    """Raise UsageError where there is no file, or no certificate in it."""
    if not text:
        return
    import ssl  # noqa: PLC0415 - few stack files need it

    _there(source, path, text, directory, directory)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=directory / text)
    except (OSError, ValueError) as error:
        raise source.fault(path, f"{text} holds no certificate in PEM format") from error


def _filled(source: Source, environment: str, path: tuple[str, ...], text: str) -> str:
    if any(found != "env" for found in _EXPRESSION.findall(text)):
        raise source.fault(path, f"only ${{{{ env }}}} can stand here: {text}")
    return _EXPRESSION.sub(lambda _: environment, text)


def _there(source: Source, path: tuple[str | int, ...], text: str, directory: Path, stack: Path) -> None:
    """What a stack file names lies in the stack's own folder, links followed, and is there."""
    if Path(text).is_absolute() or ".." in Path(text).parts:
        raise source.fault(path, f"'{text}' leads out of the stack's folder")
    if not (directory / text).exists():
        raise source.fault(path, f"there is no {text} in {directory}")
    if not (directory / text).resolve().is_relative_to(stack):
        raise source.fault(path, f"'{text}' leads out of the stack's folder, by a link")
