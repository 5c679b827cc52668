data "terraform_remote_state" "base" {
  backend = "s3"

  config = {
    bucket         = var.state_bucket
    key            = "base.tfstate"
    region         = var.region
    use_path_style = true
  }
}

data "terraform_remote_state" "alb" {
  backend = "s3"

  config = {
    bucket         = var.state_bucket
    key            = "alb.tfstate"
    region         = var.region
    use_path_style = true
  }
}

# Made by hand, and in no Terraform state.
data "aws_secretsmanager_secret" "grafana" {
  name = "observability/grafana"
}

locals {
  repositories  = data.terraform_remote_state.base.outputs.repositories
  target_groups = data.terraform_remote_state.alb.outputs.target_groups

  shared = {
    region             = var.region
    cluster_id         = aws_ecs_cluster.this.id
    execution_role_arn = aws_iam_role.execution.arn
    subnet_ids         = data.terraform_remote_state.base.outputs.subnet_ids
    security_group_id  = data.terraform_remote_state.base.outputs.security_group_id
    namespace_id       = data.terraform_remote_state.base.outputs.namespace_id
  }
}

resource "aws_ecs_cluster" "this" {
  name = "observability-${var.environment}"
}

resource "aws_iam_role" "execution" {
  name = "observability-${var.environment}-execution"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_iam_role_policy" "secret" {
  name = "grafana-secret"
  role = aws_iam_role.execution.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = "secretsmanager:GetSecretValue"
      Resource = data.aws_secretsmanager_secret.grafana.arn
    }]
  })
}

module "grafana" {
  source = "../modules/service"

  name  = "grafana"
  image = "${local.repositories.grafana}:${var.image_versions.grafana}"
  ports = [3000]

  environment = {
    LOKI_URL      = "http://loki.lgtm.internal:3100"
    TEMPO_URL     = "http://tempo.lgtm.internal:3200"
    PYROSCOPE_URL = "http://pyroscope.lgtm.internal:4040"
  }

  secrets = {
    GF_SECURITY_ADMIN_PASSWORD = "${data.aws_secretsmanager_secret.grafana.arn}:password::"
  }

  health_command = ["CMD", "wget", "-q", "-O", "/dev/null", "http://localhost:3000/api/health"]

  region             = local.shared.region
  cluster_id         = local.shared.cluster_id
  execution_role_arn = local.shared.execution_role_arn
  subnet_ids         = local.shared.subnet_ids
  security_group_id  = local.shared.security_group_id
  namespace_id       = local.shared.namespace_id
  target_group_arn   = local.target_groups.grafana
}

module "loki" {
  source = "../modules/service"

  name  = "loki"
  image = "${local.repositories.loki}:${var.image_versions.loki}"
  ports = [3100]

  region             = local.shared.region
  cluster_id         = local.shared.cluster_id
  execution_role_arn = local.shared.execution_role_arn
  subnet_ids         = local.shared.subnet_ids
  security_group_id  = local.shared.security_group_id
  namespace_id       = local.shared.namespace_id
  target_group_arn   = local.target_groups.loki
}

module "tempo" {
  source = "../modules/service"

  name  = "tempo"
  image = "${local.repositories.tempo}:${var.image_versions.tempo}"
  ports = [3200, 4318]

  region             = local.shared.region
  cluster_id         = local.shared.cluster_id
  execution_role_arn = local.shared.execution_role_arn
  subnet_ids         = local.shared.subnet_ids
  security_group_id  = local.shared.security_group_id
  namespace_id       = local.shared.namespace_id
  target_group_arn   = local.target_groups.tempo
}

module "pyroscope" {
  source = "../modules/service"

  name  = "pyroscope"
  image = "${local.repositories.pyroscope}:${var.image_versions.pyroscope}"
  ports = [4040]

  region             = local.shared.region
  cluster_id         = local.shared.cluster_id
  execution_role_arn = local.shared.execution_role_arn
  subnet_ids         = local.shared.subnet_ids
  security_group_id  = local.shared.security_group_id
  namespace_id       = local.shared.namespace_id
  target_group_arn   = local.target_groups.pyroscope
}

module "alloy" {
  source = "../modules/service"

  name  = "alloy"
  image = "${local.repositories.alloy}:${var.image_versions.alloy}"
  ports = [12345, 4318]

  region             = local.shared.region
  cluster_id         = local.shared.cluster_id
  execution_role_arn = local.shared.execution_role_arn
  subnet_ids         = local.shared.subnet_ids
  security_group_id  = local.shared.security_group_id
  namespace_id       = local.shared.namespace_id
}
