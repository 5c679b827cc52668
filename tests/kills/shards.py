"""The shards of a kill matrix: a shard is a regular sample of it (every n-th moment)."""

from typing import Any

import pytest


def shards(count: int, *, in_ci: int) -> list[Any]:
    """Return `count` test parameters, numbered from 0. CI runs the first `in_ci`, `make acceptance` runs the others."""
    return [pytest.param(shard, marks=() if shard < in_ci else pytest.mark.acceptance) for shard in range(count)]
