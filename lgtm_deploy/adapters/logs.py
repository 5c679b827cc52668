"""What a container wrote last (AWS: CloudWatch Logs)."""

from collections.abc import Sequence

from lgtm_deploy.adapters.aws import Aws, reading


class CloudWatchLogs:
    """Log streams of one region."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def last_lines(self, group: str, stream: str, limit: int) -> Sequence[str]:
        """The stream's last lines, oldest first. Raises NotFoundError, AccessError, TransientError."""
        with reading(f"Log stream {group}/{stream}"):
            events = self._aws.reader("logs").get_log_events(
                logGroupName=group, logStreamName=stream, limit=limit, startFromHead=False
            )["events"]
        return tuple(str(event["message"]).rstrip("\n") for event in events)
