"""Events with odd values in every field."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from lgtm_deploy.core.event import Event
from tests.render.story import at

ODD = "\x1b[2J\x1b]0;title\x07 über\n\r\t東京" + "x" * 300 + "\x00\x9b31m\u202e\ud800 [bold]not markup[/bold] \x1b"


def samples(kind: type[Event], text: str = "plain text") -> list[Event]:
    """Two events of that kind: one of a step that nobody announced, one of the whole run, where each field is odd."""
    values: Mapping[Any, Any] = {
        datetime: at(1),
        datetime | None: at(-5),
        str: text,
        int: -1,
        float: -1e9,
        bool: True,
        tuple[str, ...]: (text, ""),
        Mapping[str, str]: {text: text, "": ""},
        Mapping[str, tuple[str, ...]]: {text: (text,), "": (), "step": ("nobody",)},
        Mapping[str, str] | None: {text: text, "": ""},
        Mapping[str, Any]: {text: text, "deep": {"list": [1]}, "nothing": None, "size": 1e400, "": ""},
    }
    known = {"verdict": "rollback-failed", "kind": "failed"}
    return [
        kind(**{each.name: known.get(each.name) or values[each.type] for each in fields(kind)} | {"step": step})
        for step in (text, "")
    ]
