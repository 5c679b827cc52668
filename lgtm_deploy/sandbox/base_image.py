"""The base images that the sandbox builds on: stand-ins on the running Python.

They have no shell, but for those whose vendor's image has one.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .python_root import HOME, LIBRARIES, PythonRoot, add_file, fingerprint
from .standins.catalogue import PROGRAMS

REGISTRY = "lgtm-standin"
ROOT_REPOSITORY = f"{REGISTRY}/root"
IDENTITY_LABEL = "lgtm-standin.identity"
# The stand-ins' recordings are JSON, the keys of config files YAML.
_APPLICATION_SUFFIXES = {".py", ".json", ".yaml"}

_ENTRY = """#!{home}/bin/python3 -IS
import sys
sys.path.insert(0, "{home}/app")
from standins.__main__ import run
run(["{service}", *sys.argv[1:]])
"""
_TOOL = """#!{home}/bin/python3 -IS
import sys
sys.path.insert(0, "{home}/app")
from standins.http_tools import run
run("{tool}")
"""


@dataclass(frozen=True, kw_only=True)
class BaseImages:
    """What is there now, as tags, and which of it had to be built."""

    tags: tuple[str, ...]
    built: tuple[str, ...]


class BaseImageError(Exception):
    """The engine did not build a base image."""


def build_base_images(
    client: Any, *, label: str, versions: Mapping[str, str], registry: str = REGISTRY, factor: float = 1.0
) -> BaseImages:
    """Make `<registry>/grafana/<service>:<version>` for each service, unless it is there already.

    A version that the program never had makes no image: a Dockerfile's `FROM` of it fails, as it does in the world.

    Args:
        client: a docker-py client of the engine.
        label: `key=value` or `key`, set on every image, to remove them by.
        versions: service to version.
        registry: what stands in for the registry's name; homes that share an engine each have their own.
        factor: divides every recorded delay of the stand-ins.
    """
    identity = _identity(label, factor)
    present = _present(client, identity)
    wanted = {
        f"{registry}/grafana/{service}:{version}": (service, version)
        for service, version in versions.items()
        if service in PROGRAMS and version in PROGRAMS[service].versions
    }
    missing = {tag: which for tag, which in wanted.items() if tag not in present}
    root = f"{ROOT_REPOSITORY}:{identity}"
    built = []
    if missing and root not in present:
        _build(client, _root_context(), root, _labels(label, identity))
        built.append(root)
    for tag, (service, version) in missing.items():
        _build(client, _program_context(root, service, version, factor), tag, _labels(label, identity))
        built.append(tag)
    return BaseImages(tags=tuple(wanted), built=tuple(built))


def _identity(label: str, factor: float) -> str:
    # How images are made is part of what they are.
    recipe = {path.name: path for path in (Path(__file__), Path(__file__).with_name("python_root.py"))}
    # Images and containers inherit labels, and are removed by them: what bears another's label is not ours.
    parts = [label, fingerprint(), f"factor {factor:g}"]
    for name, path in sorted((_application() | recipe).items()):
        parts.append(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _present(client: Any, identity: str) -> set[str]:
    found = client.api.images(filters={"label": f"{IDENTITY_LABEL}={identity}"})
    return {tag for image in found for tag in image["RepoTags"] or ()}


def _labels(label: str, identity: str) -> dict[str, str]:
    key, _, value = label.partition("=")
    return {key: value, IDENTITY_LABEL: identity}


def _application() -> dict[str, Path]:
    """Return the stand-ins, their data and PyYAML, as path in the image's `app` directory to file here."""
    standins = Path(__file__).with_name("standins")
    spec = importlib.util.find_spec("yaml")
    if spec is None or spec.origin is None:
        raise BaseImageError("PyYAML is not installed for this Python; the stand-ins read their config files with it.")
    yaml = Path(spec.origin).parent
    return {
        f"{home.name}/{path.relative_to(home).as_posix()}": path
        for home in (standins, yaml)
        for path in home.rglob("*")
        if path.suffix in _APPLICATION_SUFFIXES
    }


def _root_context() -> bytes:
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as root:
        PythonRoot(root).write(_application())
    dockerfile = f"FROM scratch\nADD root.tar /\nENV PATH={HOME}/bin:/usr/bin:/bin LD_LIBRARY_PATH={LIBRARIES}\n"
    return _context({"Dockerfile": dockerfile.encode(), "root.tar": inner.getvalue()})


def _program_context(root: str, service: str, version: str, factor: float) -> bytes:
    program = PROGRAMS[service]
    uid = program.user(version)
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as layer:
        for directory in program.directories:
            add_file(layer, directory, None, mode=0o755, uid=uid)
        add_file(layer, program.entrypoint, _ENTRY.format(home=HOME, service=service).encode(), mode=0o755)
        for tool in program.tools:
            add_file(layer, f"/usr/bin/{tool}", _TOOL.format(home=HOME, tool=tool).encode(), mode=0o755)
        if program.has_shell:
            PythonRoot(layer).write_program("/bin/sh", Path("/bin/sh").resolve())
        identity = {"service": service, "version": version, "factor": factor}
        add_file(layer, "/etc/standin.json", json.dumps(identity).encode())
        add_file(layer, "/etc/passwd", _passwd(service, uid).encode())
    dockerfile = (
        f"FROM {root}\nADD layer.tar /\n"
        f'LABEL org.opencontainers.image.title="{service}" org.opencontainers.image.version="{version}"\n'
        f'EXPOSE {program.port}\nUSER {uid}\nENTRYPOINT ["{program.entrypoint}"]\n'
    )
    return _context({"Dockerfile": dockerfile.encode(), "layer.tar": inner.getvalue()})


def _passwd(service: str, uid: int) -> str:
    return f"root:x:0:0:root:/:/nologin\n{service}:x:{uid}:{uid}:{service}:/:/nologin\n"


def _context(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as context:
        for name, content in files.items():
            add_file(context, name, content)
    return packed.getvalue()


def _build(client: Any, context: bytes, tag: str, labels: Mapping[str, str]) -> None:
    lines: Iterable[dict[str, Any]] = client.api.build(
        fileobj=io.BytesIO(context),
        custom_context=True,
        tag=tag,
        labels=dict(labels),
        rm=True,
        forcerm=True,
        decode=True,
    )
    for line in lines:
        if error := line.get("error"):
            raise BaseImageError(f"{tag} was not built: {str(error).strip()}")
