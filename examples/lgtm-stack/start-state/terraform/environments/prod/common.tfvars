project     = "lgtm"
environment = "prod"
region      = "eu-central-1"
account_id  = "111122223333"

remote_state = {
  bucket = "lgtm-prod-terraform-state"
  region = "eu-central-1"
}

vpc_cidr           = "10.20.0.0/16"
availability_zones = ["eu-central-1a", "eu-central-1b"]

tenant = "lgtm"

certificate_arn = "arn:aws:acm:eu-central-1:111122223333:certificate/8b5c1c1e-0000-4000-8000-000000000000"

health_check = {
  interval            = 30
  timeout             = 5
  healthy_threshold   = 2
  unhealthy_threshold = 3
}
deregistration_delay              = 120
health_check_grace_period_seconds = 0

tempo_health_check_path     = "/ready"
pyroscope_health_check_path = "/ready"

task_sizes = {
  grafana   = { cpu = 512, memory = 1024 }
  mimir     = { cpu = 1024, memory = 4096 }
  loki      = { cpu = 1024, memory = 2048 }
  tempo     = { cpu = 1024, memory = 2048 }
  pyroscope = { cpu = 1024, memory = 2048 }
}

container_secrets = {
  grafana = {
    GF_SECURITY_ADMIN_PASSWORD = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:lgtm/grafana-admin"
  }
}
