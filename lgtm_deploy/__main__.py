"""`python -m lgtm_deploy`."""

from lgtm_deploy.cli.main import main

main()
