"""Terraform's own files: parsed, evaluated as far as they say themselves, and searched for ECS services.

Nothing here runs Terraform. A value that only Terraform can know (a resource's attribute, most functions) is `UNKNOWN`.
"""

from lgtm_deploy.core.terraform_files.hcl import NotHclError, local_sources
from lgtm_deploy.core.terraform_files.root import LOCK_FILE, RootFiles
from lgtm_deploy.core.terraform_files.services import DeclaredService, declared_services
from lgtm_deploy.core.terraform_files.values import UNKNOWN
