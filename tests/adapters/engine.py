"""As much of a Docker Engine as a trial asks for, in memory."""

from types import SimpleNamespace
from typing import Any

import docker
import requests
from docker.errors import APIError


def refusal(code: int, said: str) -> APIError:
    """An error of the engine's, in its own words."""
    response = requests.Response()
    response.status_code = code
    return APIError("the engine", response=response, explanation=said)


class StubEngine(docker.DockerClient):
    """An engine whose containers all have the same address, state and log; `created` is what was asked for.

    `listed` is what others have left there, as the engine lists it; `removed` are the ids of what was removed.
    """

    def __init__(self) -> None:
        self.created: list[dict[str, Any]] = []
        self.removed: list[str] = []
        self.listed: dict[str, list[dict[str, Any]]] = {"containers": [], "networks": [], "volumes": []}
        self.address = "127.0.0.1"
        self.state: dict[str, Any] = {"Running": True, "ExitCode": 0}
        self.bound: list[dict[str, str]] = []
        self.log = b""
        self.architectures = {"engine": "amd64", "image": "amd64"}
        self.start_error: APIError | None = None
        self.api = SimpleNamespace(  # type: ignore[assignment]
            base_url="http+docker://localhost",
            inspect_container=lambda _: self._inspected(),
            inspect_image=lambda _: {"Architecture": self.architectures["image"], "Os": "linux"},
            version=lambda **_: {"Arch": self.architectures["engine"], "Os": "linux"},
            logs=lambda *_, **__: self.log,
            containers=lambda **asked: self._marked("containers", asked),
            networks=lambda **asked: self._marked("networks", asked),
            volumes=lambda **asked: {"Volumes": self._marked("volumes", asked)},
            remove_container=lambda found, **_: self._remove(found),
            remove_network=self._remove,
            remove_volume=self._remove,
            remove_image=self._remove,
        )

    @property
    def networks(self) -> Any:
        """Takes every network."""
        return SimpleNamespace(create=lambda *_, **__: None)

    @property
    def containers(self) -> Any:
        """Notes what is created."""
        return SimpleNamespace(create=self._create)

    def _create(self, image: str, **asked: Any) -> Any:
        self.created.append({"image": image, **asked})
        return SimpleNamespace(id="container", start=self._start)

    def _start(self) -> None:
        if self.start_error:
            raise self.start_error

    def _inspected(self) -> dict[str, Any]:
        ports = {"8080/tcp": self.bound}
        return {
            "Image": "sha256:new",
            "State": self.state,
            "Config": {"Env": [f"{name}={value}" for name, value in self.created[-1]["environment"].items()]},
            "NetworkSettings": {"Networks": {"trial": {"IPAddress": self.address}}, "Ports": ports},
        }

    def _marked(self, kind: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
        name, _, value = asked["filters"]["label"].partition("=")
        return [
            each
            for each in self.listed[kind]
            if name in each["Labels"] and (not value or each["Labels"][name] == value)
        ]

    def _remove(self, found: str) -> None:
        self.removed.append(found)
