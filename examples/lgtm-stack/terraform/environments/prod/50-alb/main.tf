data "terraform_remote_state" "vpc" {
  backend = "s3"
  config  = merge(var.remote_state, { key = "prod/01-vpc/terraform.tfstate" })
}

module "alb" {
  source = "../../../modules/alb"

  name_prefix          = local.name_prefix
  vpc_id               = data.terraform_remote_state.vpc.outputs.vpc_id
  subnet_ids           = data.terraform_remote_state.vpc.outputs.subnet_ids
  security_group_id    = data.terraform_remote_state.vpc.outputs.alb_security_group_id
  certificate_arn      = var.certificate_arn
  deregistration_delay = var.deregistration_delay
  health_check         = var.health_check
  default_service      = "grafana"

  services = {
    grafana = {
      port              = 3000
      health_check_path = "/api/health"
    }
    mimir = {
      port              = 8080
      health_check_path = "/ready"
      priority          = 10
      paths             = ["/api/v1/push", "/prometheus/*"]
    }
    loki = {
      port              = 3100
      health_check_path = "/ready"
      priority          = 20
      paths             = ["/loki/*"]
    }
    tempo = {
      port                = 3200
      health_check_path   = var.tempo_health_check_path
      matcher             = var.tempo_health_check_matcher
      unhealthy_threshold = var.tempo_unhealthy_threshold
      priority            = 30
      paths               = ["/api/traces", "/v1/traces", "/tempo/*"]
    }
    pyroscope = {
      port                = 4040
      health_check_path   = var.pyroscope_health_check_path
      matcher             = var.pyroscope_health_check_matcher
      unhealthy_threshold = var.pyroscope_unhealthy_threshold
      priority            = 40
      paths               = ["/pyroscope/*"]
    }
  }
}

output "dns_name" {
  value = module.alb.dns_name
}

output "listener_arn" {
  value = module.alb.listener_arn
}

output "target_group_arns" {
  value = module.alb.target_group_arns
}
