"""Services on AWS ECS: changed, and looked at while they roll out."""

from lgtm_deploy.adapters.ecs.host import EcsHost
from lgtm_deploy.adapters.ecs.rollouts import EcsRollouts, LogReader
