"""Whose account and region does an ARN belong to?"""

from __future__ import annotations

from contextlib import AbstractContextManager

from ministack.core.responses import request_scope


def account_and_region(arn: str) -> tuple[str, str]:
    """The account and the region that an ARN names."""
    parts = arn.split(":", 5)
    return parts[4], parts[3]


def scope_of(arn: str) -> AbstractContextManager[None]:
    """Act for the account and region of ``arn``; MiniStack's stores are scoped by them."""
    account, region = account_and_region(arn)
    scope: AbstractContextManager[None] = request_scope(account, region)
    return scope
