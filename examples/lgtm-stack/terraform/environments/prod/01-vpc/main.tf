module "vpc" {
  source = "../../../modules/vpc"

  name_prefix        = local.name_prefix
  cidr               = var.vpc_cidr
  availability_zones = var.availability_zones
}

output "vpc_id" {
  value = module.vpc.vpc_id
}

output "subnet_ids" {
  value = module.vpc.subnet_ids
}

output "alb_security_group_id" {
  value = module.vpc.alb_security_group_id
}

output "tasks_security_group_id" {
  value = module.vpc.tasks_security_group_id
}
