variable "images" {
  description = "The image that a service is created with, by service. Later deployments happen outside Terraform."
  type        = map(string)
  default     = {}
}

data "terraform_remote_state" "vpc" {
  backend = "s3"
  config  = merge(var.remote_state, { key = "prod/01-vpc/terraform.tfstate" })
}

data "terraform_remote_state" "ecr" {
  backend = "s3"
  config  = merge(var.remote_state, { key = "prod/20-ecr/terraform.tfstate" })
}

data "terraform_remote_state" "alb" {
  backend = "s3"
  config  = merge(var.remote_state, { key = "prod/50-alb/terraform.tfstate" })
}

locals {
  ports = {
    grafana   = [3000]
    mimir     = [8080]
    loki      = [3100]
    tempo     = [3200, 4317, 4318]
    pyroscope = [4040, 4041]
  }

  # Grafana sends the tenant with every query of its data sources.
  own_environment = { grafana = { LGTM_TENANT = var.tenant } }
}

module "ecs" {
  source = "../../../modules/ecs"

  name_prefix                       = local.name_prefix
  region                            = var.region
  subnet_ids                        = data.terraform_remote_state.vpc.outputs.subnet_ids
  security_group_id                 = data.terraform_remote_state.vpc.outputs.tasks_security_group_id
  target_group_arns                 = data.terraform_remote_state.alb.outputs.target_group_arns
  health_check_grace_period_seconds = var.health_check_grace_period_seconds
  service_connect                   = var.service_connect

  services = {
    for service, ports in local.ports : service => {
      image         = lookup(var.images, service, "${data.terraform_remote_state.ecr.outputs.repository_urls[service]}:initial")
      port          = ports[0]
      extra_ports   = slice(ports, 1, length(ports))
      cpu           = try(var.task_sizes[service].cpu, 256)
      memory        = try(var.task_sizes[service].memory, 512)
      desired_count = lookup(var.desired_counts, service, 1)
      environment   = merge(lookup(local.own_environment, service, {}), lookup(var.container_environment, service, {}))
      secrets       = lookup(var.container_secrets, service, {})
    }
  }
}

output "cluster_name" {
  value = module.ecs.cluster_name
}

output "service_names" {
  value = module.ecs.service_names
}
