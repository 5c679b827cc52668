"""What went wrong: what happened, to what, and what to do about it."""


class DeployError(Exception):
    """Anything this tool can explain.

    `resolution` says what the reader can do; it is empty only where nothing can be advised.
    """

    def __init__(self, message: str, *, resolution: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.resolution = resolution

    def __str__(self) -> str:
        """One line: what happened, then what to do."""
        return f"{self.message} {self.resolution}".rstrip()


class TransientError(DeployError):
    """It may work when tried again: throttling, a dropped connection, a server's 5xx."""


class TimedOutError(TransientError):
    """A request got no complete answer within its `seconds`, although something took it."""

    def __init__(self, message: str, *, seconds: float, resolution: str = "") -> None:
        super().__init__(message, resolution=resolution)
        self.seconds = seconds


class PermanentError(DeployError):
    """Trying again cannot help."""


class InDoubtError(DeployError):
    """A change was sent and its outcome is unknown: look before acting again."""


class NotFoundError(PermanentError):
    """The named thing does not exist."""


class AlreadyExistsError(PermanentError):
    """The thing is there already, and differs from what was asked for."""


class AccessError(PermanentError):
    """No credentials, expired ones, or ones that may not do this."""


class ExpiredCredentialsError(AccessError):
    """Credentials that were good have expired: nothing was done, and fresh ones may be there at the next try."""


class MissingToolError(PermanentError):
    """A program this tool needs is not on the machine, or does not answer."""


class RefusedError(PermanentError):
    """Stopped before anything outside was changed."""


class UsageError(RefusedError):
    """What was typed, or written in a plan or stack file, cannot be used.

    `where` is `file:line:column` when the fault is in a file.
    """

    def __init__(self, message: str, *, resolution: str = "", where: str = "") -> None:
        super().__init__(f"{where}: {message}" if where else message, resolution=resolution)
        self.where = where


class LockHeldError(DeployError):
    """Another run holds the environment. `has_event`: its run's last event, on standard output, says so already."""

    has_event = False


class LockLostError(LockHeldError):
    """The run held the environment, and does so no longer: it may neither write nor change anything."""


class InterruptedRunError(DeployError):
    """A person or a supervisor asked the run to stop."""


class DeadlineError(DeployError):
    """The time allowed ran out while the outcome was still undecided."""


class JournalError(DeployError):
    """The journal cannot be read or written."""


class JournalBusyError(JournalError):
    """Another process writes to the journal and does not end: a full machine, or one that was stopped amid a write."""
