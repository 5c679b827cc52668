terraform {
  backend "s3" {
    key = "sandbox/50-alb/terraform.tfstate"
  }
}
