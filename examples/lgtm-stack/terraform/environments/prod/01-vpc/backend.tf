terraform {
  backend "s3" {
    key = "prod/01-vpc/terraform.tfstate"
  }
}
