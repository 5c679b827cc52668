"""Which status codes pass a health check?"""


def matches(matcher: str, status: int) -> bool:
    """Whether a status code is in a matcher such as `200`, `200,404` or `200-299` (AWS: ELB API reference, Matcher)."""
    for part in matcher.split(","):
        first, _, last = part.strip().partition("-")
        if first.isdigit() and int(first) <= status <= int(last or first):
            return True
    return False
