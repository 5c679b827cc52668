"""Terraform: each step a `terraform_data`, which the program brings itself."""

import os
import resource
import subprocess
import time

from workload import FOLDER, STEPS, done, tell

blocks = []
for name, needs, seconds in STEPS:
    after = ", ".join(f"terraform_data.{need}" for need in needs)
    sleep = f'  provisioner "local-exec" {{\n    command = "sleep {seconds}"\n  }}\n' if seconds else ""
    blocks.append(f'resource "terraform_data" "{name}" {{\n  input = "x"\n  depends_on = [{after}]\n{sleep}}}\n')
(FOLDER / "main.tf").write_text("\n".join(blocks))
environment = os.environ | {"CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": "/dev/null"}


def terraform(*words):
    subprocess.run(["terraform", *words], cwd=FOLDER, env=environment, check=True, stdout=subprocess.DEVNULL)


terraform("init", "-input=false")
began = time.perf_counter()
terraform("apply", "-auto-approve", "-input=false", "-parallelism=10")
seconds = time.perf_counter() - began
state = (FOLDER / "terraform.tfstate").read_text()
done.extend(name for name, _, _ in STEPS if f'"name": "{name}"' in state)
tell(seconds, peak=resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
