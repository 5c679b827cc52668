terraform {
  backend "s3" {
    key = "prod/50-alb/terraform.tfstate"
  }
}
