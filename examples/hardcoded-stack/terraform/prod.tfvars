environment     = "prod"
region          = "eu-central-1"
zones           = ["eu-central-1a", "eu-central-1b"]
state_bucket    = "observability-prod-tfstate"
certificate_arn = "arn:aws:acm:eu-central-1:111122223333:certificate/6f1c4c7e-2f1d-4b0e-9a53-0d7c3f1c2b11"

# The tags of our own images.
image_versions = {
  grafana   = "12.1.0-1"
  loki      = "3.5.1"
  tempo     = "2.9.0-2"
  pyroscope = "2.0.4-1"
  alloy     = "v1.9.2"
}
