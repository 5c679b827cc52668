"""The HTTP method that a path of the stack takes.

A wrong method tells nothing of a route: Pyroscope 2.0.4 answers GET of /ingest with 405, and under
`server.http_path_prefix` with 404, as it does for a route that does not exist (recordings pyroscope-2.0.4-*).
"""

import re

# A Connect method, such as /querier.v1.QuerierService/LabelNames.
_CONNECT = re.compile(r"/[\w.]+\.v\d+\.\w+/\w+$")
# The write paths of Loki, Mimir and Pyroscope, also under a prefix.
_WRITES = re.compile(r"/api/(?:v1|prom)/push$|/ingest$")


def is_connect(path: str) -> bool:
    """Return whether the path is a Connect method: it takes POST with a JSON body only."""
    return _CONNECT.search(path.partition("?")[0]) is not None


def takes_post(path: str) -> bool:
    """Return whether the path takes POST only. A POST without a name and a body writes nothing to them."""
    return is_connect(path) or _WRITES.search(path.partition("?")[0]) is not None
