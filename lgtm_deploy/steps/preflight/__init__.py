"""preflight: what has to be there and in order before the first change, looked at side by side and told at once."""

from lgtm_deploy.steps.preflight.step import Inputs, Outputs, Preflight

__all__ = ["Inputs", "Outputs", "Preflight"]
