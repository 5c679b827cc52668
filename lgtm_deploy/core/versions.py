"""Versions of programs, as far as they can be compared."""


def numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version such as `v2.9.0-rc1`; empty where it begins with none."""
    found: list[int] = []
    for part in version.removeprefix("v").partition("-")[0].split("."):
        if not part.isdigit():
            break
        found.append(int(part))
    return tuple(found)
