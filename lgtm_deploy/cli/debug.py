"""Debug lines and tracebacks on standard error, for `--verbose`."""

import logging

from lgtm_deploy.core.masks import Masks

_LOGGER = logging.getLogger("lgtm_deploy")


class _Lines(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes what the package logs, without secret values."""

    masks = Masks()

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and below it the traceback if there is one."""
        return self.masks.masked(super().format(record))


def start() -> None:
    """Write debug lines from now on."""
    stop()
    lines = _Lines()
    lines.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
    _LOGGER.addHandler(lines)
    _LOGGER.setLevel(logging.DEBUG)
    _LOGGER.propagate = False


def stop() -> None:
    """Write no more of them."""
    for each in _handlers():
        _LOGGER.removeHandler(each)
    _LOGGER.setLevel(logging.NOTSET)
    _LOGGER.propagate = True


def redact(masks: Masks) -> None:
    """Replace these secret values in every line from now on."""
    for each in _handlers():
        each.masks = masks


def _handlers() -> list[_Lines]:
    return [each for each in _LOGGER.handlers if isinstance(each, _Lines)]
