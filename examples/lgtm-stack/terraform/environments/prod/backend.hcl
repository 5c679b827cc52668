bucket         = "lgtm-prod-terraform-state"
dynamodb_table = "lgtm-prod-terraform-locks"
region         = "eu-central-1"
encrypt        = true
