"""Which rooms make up one truthful cloud, and when does each start and stop?"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from ministack import app as ministack_app
from ministack.core import container_reaper

from . import answers, container_secrets, tags
from .balancer import Balancer
from .containers import Containers
from .deployments import DeploymentHistory
from .discovery import Discovery
from .front_door import FrontDoor
from .history_api import HistoryApi
from .launch import Launcher
from .logs import LogForwarder
from .records import Records
from .registry import Registry
from .releases import Releases
from .requests import RequestRecorder
from .scheduler import Scheduler
from .service_api import ServiceApi
from .services import ServiceKeeper
from .settings import Settings
from .stopping import Stopper
from .targets import TargetTable


class Sandbox:
    """MiniStack with every untruth replaced; an ASGI application in MiniStack's place."""

    def __init__(self, settings: Settings) -> None:
        """Build every room and put the replacements into MiniStack."""
        self._settings = settings
        records = self._records = Records(settings.records)
        self._containers = Containers(settings)
        self._table = TargetTable(records)
        history = DeploymentHistory(records)
        registry = Registry(settings)
        logs = LogForwarder()
        stopper = Stopper(records, self._table, self._containers, logs)
        self._discovery = Discovery(settings.hosts)
        keeper = ServiceKeeper(self._table, stopper, Releases(history), self._discovery)
        self._scheduler = Scheduler(self._containers, self._table, stopper, keeper, self._discovery)
        launcher = Launcher(settings, registry, records, self._containers, self._discovery)
        balancer, api = Balancer(self._table), ServiceApi(self._scheduler, history, stopper)
        rooms = (registry, balancer, logs, launcher, stopper, self._scheduler, HistoryApi(history), api)
        for room in (*rooms, self._discovery):
            room.install()
        tags.install()
        container_secrets.install()
        label_containers(settings)
        answers.install()
        self._application = RequestRecorder(ministack_app.app, records)
        self._front_door = FrontDoor(settings)
        self._closing = asyncio.Event()
        self._front_task: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one ASGI connection; the lifespan starts and stops the rooms."""
        if scope["type"] != "lifespan":
            await self._application(scope, receive, send)
            return

        async def stopping_first() -> Any:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self._stop()
            return message

        async def starting_after(message: Any) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._start()
            await send(message)

        await self._application(scope, stopping_first, starting_after)

    def _start(self) -> None:
        """Start after MiniStack has restored its state: the scheduler must see the restored services."""
        self._containers.start()
        self._scheduler.start()
        self._table.start()
        if self._settings.alb_port is not None:
            self._front_task = asyncio.create_task(self._front_door.serve(self._closing.wait))

    async def _stop(self) -> None:
        """Stop before MiniStack saves its state and removes the containers: none may be taken for failed."""
        self._closing.set()
        await asyncio.to_thread(self._scheduler.stop)
        self._table.stop()
        self._containers.stop()
        self._discovery.close()
        if self._front_task is not None:
            await asyncio.wait([self._front_task], timeout=2)
        self._records.close()


def label_containers(settings: Settings) -> None:
    """Put the sandbox's label on every container that MiniStack starts, of whatever service."""
    own_labels = container_reaper.own_labels

    def labelled(service: str, **extra: Any) -> dict[str, str]:
        return {**own_labels(service, **extra), **settings.labels}

    container_reaper.own_labels = labelled


def serve(settings: Settings) -> None:
    """Run the sandbox until SIGTERM."""
    # With HOSTNAME set MiniStack looks for its own container, for one Docker call per task.
    os.environ.pop("HOSTNAME", None)
    ministack_app.app = Sandbox(settings)
    ministack_app.main()
