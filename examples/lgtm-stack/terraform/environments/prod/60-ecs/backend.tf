terraform {
  backend "s3" {
    key = "prod/60-ecs/terraform.tfstate"
  }
}
