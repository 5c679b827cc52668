module "ecr" {
  source = "../../../modules/ecr"

  project  = var.project
  services = ["grafana", "loki", "mimir", "tempo", "pyroscope"]
}

output "repository_urls" {
  value = module.ecr.repository_urls
}
