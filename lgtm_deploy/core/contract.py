"""What an image answers when it is tried out, before anybody depends on it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back from a path: `status` 0 is nothing at all. `body` is its beginning.

    `healthy` says whether the load balancer's check would pass and the body is the one that the stack file asks for;
    `late` is how many seconds it took when that is longer than the check waits, else 0.
    """

    path: str
    status: int = 0
    body: str = ""
    healthy: bool = False
    late: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One image, tried out. `ready_seconds` runs from the first question to the first healthy answer on the health path
    that the image serves; negative: it never came."""

    image: str = ""
    ready_seconds: float = -1.0
    replies: tuple[Reply, ...] = ()

    def on(self, path: str) -> Reply:
        """What it answered there; nothing, when it was not asked."""
        return next((reply for reply in self.replies if reply.path == path), Reply(path=path))


@dataclass(frozen=True, kw_only=True)
class Contract:
    """The image that is to run beside the one that runs now, asked the same questions.

    `old_path` is what the load balancer checks now, `new_path` what it is to check. `skipped` says why nothing was
    tried: the image runs already, or the stack file says so.
    """

    old_path: str
    new_path: str
    new: Trial = Trial()
    old: Trial = Trial()
    skipped: str = ""
