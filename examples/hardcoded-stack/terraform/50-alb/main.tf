data "terraform_remote_state" "base" {
  backend = "s3"

  config = {
    bucket         = var.state_bucket
    key            = "base.tfstate"
    region         = var.region
    use_path_style = true
  }
}

module "alb" {
  source = "../modules/alb"

  name              = "observability-${var.environment}"
  vpc_id            = data.terraform_remote_state.base.outputs.vpc_id
  subnet_ids        = data.terraform_remote_state.base.outputs.subnet_ids
  security_group_id = data.terraform_remote_state.base.outputs.security_group_id
  certificate_arn   = var.certificate_arn
}

output "target_groups" {
  value = module.alb.target_groups
}
