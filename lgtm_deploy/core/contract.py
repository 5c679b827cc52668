"""What an image answers when it is tried out, before anybody depends on it."""

from collections.abc import Iterable
from dataclasses import dataclass

_OK = range(200, 300)
_NOT_FOUND, _WRONG_METHOD, _SERVER_ERROR = 404, 405, 500
# Go's router, and Pyroscope's gateway under /api, of a path that they do not have; a present route with an unknown id
# says something else (Tempo 2.3.1: `trace not found`, 2.9.0: nothing).
_NO_ROUTE = ("404 page not found", '{"code":5,')


@dataclass(frozen=True, kw_only=True)
class Silence:
    """No answer came: it was waited for so many `seconds`, 0: there was no connection."""

    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back from a path: `status` 0 is nothing at all. `body` is its beginning.

    `healthy` says whether the load balancer's check would pass and the body is the one that the stack file asks for;
    `late` is how many seconds it took when that is longer than the check waits, else 0. `waited` is after how many
    seconds the request was given up, 0: an answer came, or no connection.
    """

    path: str
    status: int = 0
    body: str = ""
    healthy: bool = False
    late: float = 0.0
    method: str = "GET"
    waited: float = 0.0

    @property
    def succeeds(self) -> bool:
        """Return whether it is a 2xx."""
        return self.status in _OK

    @property
    def is_broken(self) -> bool:
        """Return whether nothing came, or a server error: that is no answer."""
        return not self.status or self.status >= _SERVER_ERROR

    @property
    def has_route(self) -> bool:
        """Return whether the server has the path: no error of its own, and no answer as to an unknown path.

        A 405 says that the method is wrong, which tells nothing of the route: it counts as there.
        """
        return not self.is_broken and not (self.status == _NOT_FOUND and self.body.startswith(_NO_ROUTE))

    @property
    def tells_route(self) -> bool:
        """Return whether it proves that the server has the path."""
        return self.has_route and self.status != _WRONG_METHOD


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One image, tried out. `ready_seconds` runs from the first question to the first healthy answer on the health path
    that the image serves; negative: it never came.

    `replies` are those on the health paths and on what the stack file and listener rules name, `reads` those on the
    paths that read data of its kind.
    """

    image: str = ""
    ready_seconds: float = -1.0
    replies: tuple[Reply, ...] = ()
    reads: tuple[Reply, ...] = ()

    def on(self, path: str) -> Reply:
        """Return what it answered there; nothing, when it was not asked."""
        return _first(path, (*self.replies, *self.reads))

    def read(self, path: str) -> Reply:
        """Return what it answered there to the request that reads data; nothing, when it was not asked."""
        return _first(path, self.reads)


def _first(path: str, replies: Iterable[Reply]) -> Reply:
    return next((reply for reply in replies if reply.path == path), Reply(path=path))


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
