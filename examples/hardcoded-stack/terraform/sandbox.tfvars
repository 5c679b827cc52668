environment     = "sandbox"
region          = "us-east-1"
zones           = ["us-east-1a", "us-east-1b"]
state_bucket    = "observability-sandbox-tfstate"
certificate_arn = ""

# The tags of our own images.
image_versions = {
  grafana   = "12.1.0-1"
  loki      = "3.5.1"
  tempo     = "2.9.0-2"
  pyroscope = "2.0.4-1"
  alloy     = "v1.9.2"
}
