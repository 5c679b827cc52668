# What common.tfvars of an environment sets: every root module links to this file.

variable "project" {
  type = string
}

variable "environment" {
  type = string
}

variable "region" {
  type = string
}

variable "account_id" {
  type = string
}

variable "remote_state" {
  description = "Where the other root modules keep their state."
  type = object({
    bucket         = string
    region         = string
    use_path_style = optional(bool, false)
  })
}

variable "vpc_cidr" {
  type = string
}

variable "availability_zones" {
  type = list(string)
}

variable "certificate_arn" {
  type    = string
  default = ""
}

variable "deregistration_delay" {
  type = number
}

variable "health_check" {
  type = object({
    interval            = number
    timeout             = number
    healthy_threshold   = number
    unhealthy_threshold = number
  })
}

variable "tempo_health_check_path" {
  type = string
}

variable "pyroscope_health_check_path" {
  type = string
}

variable "tempo_health_check_matcher" {
  description = "The status codes that count as healthy."
  type        = string
  default     = "200"
}

variable "pyroscope_health_check_matcher" {
  description = "The status codes that count as healthy."
  type        = string
  default     = "200"
}

variable "tempo_unhealthy_threshold" {
  description = "Failed checks until a target is unhealthy; null: as for every service."
  type        = number
  default     = null
}

variable "pyroscope_unhealthy_threshold" {
  description = "Failed checks until a target is unhealthy; null: as for every service."
  type        = number
  default     = null
}

variable "health_check_grace_period_seconds" {
  type    = number
  default = 0
}

variable "service_connect" {
  type    = bool
  default = true
}

variable "tenant" {
  description = "The X-Scope-OrgID under which Grafana reads."
  type        = string
}

variable "desired_counts" {
  type    = map(number)
  default = {}
}

variable "task_sizes" {
  type    = map(object({ cpu = number, memory = number }))
  default = {}
}

variable "container_environment" {
  description = "Further environment variables, by service."
  type        = map(map(string))
  default     = {}
}

variable "container_secrets" {
  description = "Environment variables from Secrets Manager or SSM, by service: name to ARN."
  type        = map(map(string))
  default     = {}
}

locals {
  name_prefix = "${var.project}-${var.environment}"
}

terraform {
  required_version = ">= 1.6"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = {
      Project     = var.project
      Environment = var.environment
      ManagedBy   = "terraform"
    }
  }
}
