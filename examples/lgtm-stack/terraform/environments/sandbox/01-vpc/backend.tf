terraform {
  backend "s3" {
    key = "sandbox/01-vpc/terraform.tfstate"
  }
}
