terraform {
  backend "s3" {
    key = "sandbox/20-ecr/terraform.tfstate"
  }
}
