"""Every kind of step, by the name that plans use."""

from collections.abc import Mapping

from lgtm_deploy.core.step import Step
from lgtm_deploy.steps.await_deployment import AwaitDeployment
from lgtm_deploy.steps.await_tasks import AwaitTasks
from lgtm_deploy.steps.build_image import BuildImage
from lgtm_deploy.steps.deploy_service import DeployService
from lgtm_deploy.steps.hold_grace_period import HoldGracePeriod
from lgtm_deploy.steps.plan_handover import PlanHandover
from lgtm_deploy.steps.plan_task_definitions import PlanTaskDefinitions
from lgtm_deploy.steps.preflight import Preflight
from lgtm_deploy.steps.probe_image import ProbeImage
from lgtm_deploy.steps.probe_paths import ProbePaths
from lgtm_deploy.steps.push_image import PushImage
from lgtm_deploy.steps.release_grace_period import ReleaseGracePeriod
from lgtm_deploy.steps.remove_shadow import RemoveShadow
from lgtm_deploy.steps.shadow_targets import ShadowTargets
from lgtm_deploy.steps.terraform_apply import TerraformApply
from lgtm_deploy.steps.terraform_plan import TerraformInit, TerraformPlan, TerraformReplan
from lgtm_deploy.steps.terraform_settle import TerraformSettle
from lgtm_deploy.steps.verify import Verify

CATALOG: Mapping[str, type[Step]] = {
    "preflight": Preflight,
    "build-image": BuildImage,
    "probe-image": ProbeImage,
    "plan-handover": PlanHandover,
    "plan-task-definitions": PlanTaskDefinitions,
    "push-image": PushImage,
    "hold-grace-period": HoldGracePeriod,
    "deploy-service": DeployService,
    "shadow-targets": ShadowTargets,
    "await-tasks": AwaitTasks,
    "remove-shadow": RemoveShadow,
    "terraform-init": TerraformInit,
    "terraform-plan": TerraformPlan,
    "terraform-replan": TerraformReplan,
    "terraform-apply": TerraformApply,
    "terraform-settle": TerraformSettle,
    "await-deployment": AwaitDeployment,
    "release-grace-period": ReleaseGracePeriod,
    "probe-paths": ProbePaths,
    "verify": Verify,
}
