terraform {
  backend "s3" {
    key = "sandbox/60-ecs/terraform.tfstate"
  }
}
