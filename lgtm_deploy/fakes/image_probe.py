"""Images that are tried out without an engine."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from lgtm_deploy.core.errors import NotFoundError, TimedOutError, TransientError
from lgtm_deploy.core.ports import Answer, ContainerSpec, Ended, Progress, RunningImage
from lgtm_deploy.fakes.cloud import FakeCloud
from lgtm_deploy.fakes.image import HANG_SECONDS, Contract, Life

SECONDS = 0.001


class FakeImageProbe:
    """Starts images of the cloud's engine. `secrets` are the values that the caller's environment has.

    `left` counts what runs now.
    """

    def __init__(self, cloud: FakeCloud, secrets: Mapping[str, str] | None = None) -> None:
        self._cloud = cloud
        self._secrets = dict(secrets or {})
        self.left = 0

    @contextmanager
    def start(self, image: str, spec: ContainerSpec, port: int, progress: Progress) -> Iterator[RunningImage]:
        """The image, started. Raises NotFoundError when the engine does not have it."""
        progress("")
        contract = self._cloud.perform(
            "image_probe.start", lambda: self._contract(image), image=image, spec=spec, port=port
        )
        known = {name for name in spec.secrets if name in self._secrets}
        self.left += 1
        try:
            yield FakeRunning(self._cloud, contract, frozenset({*spec.environment, *known}))
        finally:
            self.left -= 1

    def unknown(self, secrets: Iterable[str]) -> tuple[str, ...]:
        """Those that have no value here."""
        return tuple(name for name in secrets if name not in self._secrets)

    def pause(self, seconds: float) -> None:
        """Lets the cloud's time pass."""
        self._cloud.advance(seconds)

    def _contract(self, image: str) -> Contract:
        if image not in self._cloud.images:
            raise NotFoundError(f"Image {image} is not in the engine.")
        return self._cloud.images[image]


class FakeRunning:
    """A started image."""

    def __init__(self, cloud: FakeCloud, contract: Contract, variables: frozenset[str]) -> None:
        self._cloud = cloud
        self._life = Life(contract=contract, started=cloud.clock.monotonic())
        self._variables = variables

    @property
    def variables(self) -> frozenset[str]:
        """The names of its environment variables."""
        return self._variables

    def ask(self, path: str, *, method: str = "GET", send: str = "", tenant: str = "") -> Answer:
        """Return what the image's contract says. Raises TransientError: it has ended, TimedOutError: it hangs."""

        def look() -> Answer:
            if self._exit_code is not None:
                raise TransientError(f"{path} does not answer.")
            status, body = self._life.ask(path, self._cloud.clock.monotonic(), method)
            if not status:
                raise TimedOutError(f"{path} does not answer.", seconds=HANG_SECONDS)
            return Answer(status=status, body=body, seconds=SECONDS)

        return self._cloud.perform("image_probe.ask", look, path=path, method=method, send=send, tenant=tenant)

    def ended(self) -> Ended | None:
        """How it ended, at once or never."""
        code, contract = self._exit_code, self._life.contract
        if code is None:
            return None
        return Ended(exit_code=code, out_of_memory=contract.out_of_memory, log=contract.log)

    def log(self) -> tuple[str, ...]:
        """Return what the image's contract says that it writes."""
        return self._life.contract.log

    @property
    def _exit_code(self) -> int | None:
        lacking = set(self._life.contract.needs) - self._variables
        return 1 if lacking else self._life.contract.exit_code
