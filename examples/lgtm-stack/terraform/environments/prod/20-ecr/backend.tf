terraform {
  backend "s3" {
    key = "prod/20-ecr/terraform.tfstate"
  }
}
