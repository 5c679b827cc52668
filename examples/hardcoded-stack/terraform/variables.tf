# What the file of an environment sets: every root links to this file.

variable "environment" {
  type = string
}

variable "region" {
  type = string
}

variable "zones" {
  type = list(string)
}

variable "state_bucket" {
  type = string
}

variable "certificate_arn" {
  type = string
}

variable "image_versions" {
  type = map(string)
}

terraform {
  required_version = ">= 1.6"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  backend "s3" {}
}

provider "aws" {
  region = var.region
}
