"""Plain values as the dataclasses they stand for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lgtm_deploy.core.values import typed


@dataclass(frozen=True, kw_only=True)
class Reply:
    path: str
    codes: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Inputs:
    replies: Mapping[str, tuple[Reply, ...]]
    first: Reply
    names: tuple[str, ...] = ()
    anything: Mapping[str, Any] = field(default_factory=dict)


def test_maps_become_the_dataclasses_that_they_stand_for_at_any_depth() -> None:
    found = typed(
        Inputs,
        {
            "replies": {"tempo": [{"path": "/ready", "codes": [200, 503]}]},
            "first": {"path": "/", "unknown": 1},
            "names": ["a", "b"],
            "anything": {"list": [1, [2]]},
            "more": "is passed over",
        },
    )

    assert found == Inputs(
        replies={"tempo": (Reply(path="/ready", codes=(200, 503)),)},
        first=Reply(path="/"),
        names=("a", "b"),
        anything={"list": (1, (2,))},
    )
