project     = "lgtm"
environment = "sandbox"
region      = "us-east-1"
account_id  = "000000000000"

remote_state = {
  bucket         = "lgtm-sandbox-terraform-state"
  region         = "us-east-1"
  use_path_style = true
}

vpc_cidr           = "10.42.0.0/16"
availability_zones = ["us-east-1a", "us-east-1b"]

tenant          = "demo"
service_connect = false

health_check = {
  interval            = 5
  timeout             = 3
  healthy_threshold   = 2
  unhealthy_threshold = 4
}
deregistration_delay              = 5
# Pyroscope is ready after 47 s.
health_check_grace_period_seconds = 120

tempo_health_check_path     = "/ready"
pyroscope_health_check_path = "/ready"

container_environment = {
  grafana = { GF_SECURITY_ADMIN_PASSWORD = "admin" }
}
