"""Where does a sandbox keep its things?"""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.private import OWN_FOLDER

HOME_VARIABLE = "LGTM_DEPLOY_SANDBOX_HOME"
NAME_VARIABLE = "LGTM_DEPLOY_SANDBOX"
DEFAULT_NAME = "default"
PACKAGE = Path(__file__).parent

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")


@dataclass(frozen=True, kw_only=True)
class Place:
    """The folder of one sandbox and what lies in it."""

    name: str
    path: Path
    label: str
    """The value of the Docker label `lgtm-deploy.sandbox`: unique among all sandboxes of an engine."""

    @property
    def connection(self) -> Path:
        """How to reach the sandbox; there while it is up."""
        return self.path / "connection.json"

    @property
    def ports(self) -> Path:
        """The ports it had last."""
        return self.path / "ports.json"

    @property
    def process(self) -> Path:
        """Which process the cloud is."""
        return self.path / "cloud.pid"

    @property
    def log(self) -> Path:
        """What the cloud says."""
        return self.path / "cloud.log"

    @property
    def state(self) -> Path:
        """What the cloud remembers; golden state is a copy of this folder."""
        return self.path / "state"

    @property
    def records(self) -> Path:
        """What happened in the cloud, one JSON object a line."""
        return self.path / "records.jsonl"

    @property
    def temporary(self) -> Path:
        """Scratch of the cloud."""
        return self.path / "tmp"


@dataclass(frozen=True, kw_only=True)
class Home:
    """The folder that the sandboxes of one stack share: engine, MiniStack, golden state, Terraform's settings."""

    path: Path

    @property
    def identity(self) -> str:
        """Eight hex digits that tell this home from others on the same engine."""
        return hashlib.sha256(str(self.path).encode()).hexdigest()[:8]

    @property
    def vendor_images(self) -> Path:
        """Which of the engine's images with a vendor's name the sandbox itself put there."""
        return self.path / "vendor-images.json"

    def base_registry(self, factor: float) -> str:
        """Return the name in place of a registry's of the stand-in base images with that factor."""
        return f"lgtm-standin/{self.identity}-x{factor:g}"

    @property
    def engine(self) -> Path:
        """The engine that the sandbox started itself."""
        return self.path / "engine"

    @property
    def golden(self) -> Path:
        """What runs today, ready to be copied; one folder for each key."""
        return self.path / "golden"

    @property
    def docker_config(self) -> Path:
        """Docker's configuration folder, so that the user's is never touched."""
        return self.path / "docker"

    @property
    def terraform(self) -> Path:
        """Terraform's settings and provider cache."""
        return self.path / "terraform"

    @property
    def aws(self) -> Path:
        """AWS configuration files with dummy credentials."""
        return self.path / "aws"

    @property
    def work(self) -> Path:
        """Copies of the stack that the sandbox builds and applies."""
        return self.path / "work"

    def place(self, name: str) -> Place:
        """The folder of the sandbox of that name. Raises UsageError for a name that Docker would not take."""
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"'{name}' is no name for a sandbox.",
                resolution="Use up to 31 lower-case letters, digits and hyphens.",
            )
        return Place(name=name, path=self.path / "sandboxes" / name, label=f"{name}-{self.identity}")

    def places(self) -> list[Place]:
        """Every sandbox that has a folder here."""
        folder = self.path / "sandboxes"
        return [self.place(each.name) for each in sorted(folder.iterdir())] if folder.is_dir() else []


def home_for(directory: Path, environment: Mapping[str, str] = os.environ) -> Home:
    """The home of the stack in that folder, unless LGTM_DEPLOY_SANDBOX_HOME names another."""
    chosen = environment.get(HOME_VARIABLE)
    path = Path(chosen) if chosen else directory / OWN_FOLDER / "sandbox"
    return Home(path=path.absolute())


def chosen_name(environment: Mapping[str, str] = os.environ) -> str:
    """The sandbox that LGTM_DEPLOY_SANDBOX names, else `default`."""
    return environment.get(NAME_VARIABLE) or DEFAULT_NAME
