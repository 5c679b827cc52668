bucket         = "lgtm-sandbox-terraform-state"
dynamodb_table = "lgtm-sandbox-terraform-locks"
region         = "us-east-1"
use_path_style = true
