"""Which environment variables does a config file take?"""

import re

# `${NAME}` without a default (`${NAME:default}`), as -config.expand-env of Loki, Mimir, Tempo and Pyroscope reads it,
# and Grafana's `$__env{NAME}`. Grafana's own `${__name}` and lower-case template variables are something else.
_TAKEN = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}|\$__env\{([A-Z][A-Z0-9_]*)\}")


def taken(text: str) -> frozenset[str]:
    """The names of the environment variables that the text takes and has no default for."""
    return frozenset(braced or own for braced, own in _TAKEN.findall(text))
