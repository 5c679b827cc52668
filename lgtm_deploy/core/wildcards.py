"""The wildcards of plan files and of listener rules: `*` is any text, `?` one character."""

import re


def matches_wildcard(pattern: str, text: str) -> bool:
    """Return whether the pattern takes the text.

    fnmatch would also read brackets, of which Terraform's addresses are full (AWS: ELB user guide, path conditions).
    """
    parts = ({"*": ".*", "?": "."}.get(sign, re.escape(sign)) for sign in pattern)
    return pattern == text or re.fullmatch("".join(parts), text, re.DOTALL) is not None
