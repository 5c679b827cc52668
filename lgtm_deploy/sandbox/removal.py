"""What did the sandbox leave in Docker, and in the file system, that must go? Only what bears its labels."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

from lgtm_deploy.core.ports import Progress
from lgtm_deploy.sandbox.engine import Engine

CLOUD_LABEL = "lgtm-deploy.sandbox"
HOME_LABEL = "lgtm-deploy.sandbox.home"
_AT_ONCE = 8


def remove_containers(engine: Engine, label: str, progress: Progress) -> None:
    """Removes the containers of one sandbox, running or not, with their anonymous volumes."""
    _remove_containers(engine, f"{CLOUD_LABEL}={label}", progress)


def remove_everything(engine: Engine, home_identity: str, progress: Progress) -> None:
    """Removes what any sandbox of the home left in an engine that is not its own: containers, then images."""
    label = f"{HOME_LABEL}={home_identity}"
    _remove_containers(engine, label, progress)
    with closing(engine.client()) as client:
        progress("removing the sandbox's images")
        # Children before parents: an image that others are built on cannot go first.
        for _ in range(_AT_ONCE):
            images = client.api.images(all=True, filters={"label": label})
            if not images:
                return
            for image in images:
                with suppress(Exception):
                    client.api.remove_image(image["Id"], force=True)


def _remove_containers(engine: Engine, label: str, progress: Progress) -> None:
    with closing(engine.client()) as client:
        found = [each["Id"] for each in client.api.containers(all=True, filters={"label": label})]
        if not found:
            return
        progress(f"removing {len(found)} containers")

        def remove(container: str) -> None:
            # Gone meanwhile, or being removed already.
            with suppress(Exception):
                client.api.remove_container(container, force=True, v=True)

        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            list(pool.map(remove, found))
