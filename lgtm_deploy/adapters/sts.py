"""Who is calling AWS, and what they may do."""

from collections.abc import Mapping, Sequence

from lgtm_deploy.adapters.aws import Aws, reading
from lgtm_deploy.adapters.iam import may, principal
from lgtm_deploy.core.ports import Permission


class StsCaller:
    """The identity behind the credentials in use."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def account(self) -> str:
        """The account id (AWS: sts GetCallerIdentity, which needs no permission). Raises AccessError."""
        return self._identity()["Account"]

    def may(self, wanted: Sequence[Permission]) -> Mapping[Permission, bool] | None:
        """Which of these the caller has (AWS: iam SimulatePrincipalPolicy); None where it cannot be asked."""
        arn = self._identity()["Arn"]
        if arn.endswith(":root"):
            # No policy of its own account binds the root user (AWS: IAM user guide, root user).
            return dict.fromkeys(wanted, True)
        return may(self._aws, principal(self._aws, arn), wanted)

    def _identity(self) -> Mapping[str, str]:
        with reading("The caller's identity"):
            found: Mapping[str, str] = self._aws.reader("sts").get_caller_identity()
        return found
