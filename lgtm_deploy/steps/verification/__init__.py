"""Asking the stack what core.verify wants to know, and judging what comes back."""

from lgtm_deploy.steps.verification.reading import Verification
