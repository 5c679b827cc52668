"""How a service is carried from one health-check path to another without a gap: which sequence, for how long, and what
would happen otherwise."""

from lgtm_deploy.core.handover.causes import cause_under_prefix
from lgtm_deploy.core.handover.decision import Decision, decide
from lgtm_deploy.core.handover.facts import Facts
from lgtm_deploy.core.handover.flip import astray
from lgtm_deploy.core.handover.hold import HANDOVER_WINDOW, HOLD_MARGIN, hold_seconds
from lgtm_deploy.core.handover.timeline import Fate, Prediction, flip_before_images, images_first, predict
from lgtm_deploy.core.handover.ways import Refusal, Way
from lgtm_deploy.core.handover.words import told
