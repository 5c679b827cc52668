"""Who is calling AWS."""

from lgtm_deploy.adapters.aws import Aws, reading


class StsCaller:
    """The identity behind the credentials in use."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def account(self) -> str:
        """The account id (AWS: sts GetCallerIdentity, which needs no permission). Raises AccessError."""
        with reading("The caller's identity"):
            return str(self._aws.reader("sts").get_caller_identity()["Account"])
