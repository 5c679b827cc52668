variable "name_prefix" {
  type = string
}

variable "region" {
  type = string
}

variable "subnet_ids" {
  type = list(string)
}

variable "security_group_id" {
  type = string
}

variable "target_group_arns" {
  type = map(string)
}

variable "health_check_grace_period_seconds" {
  type = number
}

variable "service_connect" {
  description = "Whether the services reach each other by name (http://tempo:3200)."
  type        = bool
}

variable "services" {
  type = map(object({
    image         = string
    port          = number
    extra_ports   = optional(list(number), [])
    cpu           = optional(number, 256)
    memory        = optional(number, 512)
    desired_count = optional(number, 1)
    environment   = optional(map(string), {})
    secrets       = optional(map(string), {})
  }))
}

resource "aws_ecs_cluster" "this" {
  name = "${var.name_prefix}-cluster"
}

resource "aws_service_discovery_http_namespace" "this" {
  count = var.service_connect ? 1 : 0

  name = var.name_prefix
}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "execution" {
  name               = "${var.name_prefix}-execution"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_iam_role" "task" {
  name               = "${var.name_prefix}-task"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = var.services

  name              = "/ecs/${var.name_prefix}/${each.key}"
  retention_in_days = 14
}

resource "aws_ecs_task_definition" "this" {
  for_each = var.services

  family                   = "${var.name_prefix}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.cpu
  memory                   = each.value.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn

  runtime_platform {
    cpu_architecture        = "X86_64"
    operating_system_family = "LINUX"
  }

  container_definitions = jsonencode([{
    name      = each.key
    image     = each.value.image
    essential = true
    portMappings = [for port in concat([each.value.port], each.value.extra_ports) : {
      name          = port == each.value.port ? each.key : "${each.key}-${port}"
      containerPort = port
      hostPort      = port
      protocol      = "tcp"
    }]
    environment = [for name, value in each.value.environment : { name = name, value = value }]
    secrets     = [for name, value in each.value.secrets : { name = name, valueFrom = value }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this[each.key].name
        awslogs-region        = var.region
        awslogs-stream-prefix = each.key
      }
    }
  }])
}

resource "aws_ecs_service" "this" {
  for_each = var.services

  name            = "${var.name_prefix}-${each.key}"
  cluster         = aws_ecs_cluster.this.id
  task_definition = aws_ecs_task_definition.this[each.key].arn
  launch_type     = "FARGATE"
  desired_count   = each.value.desired_count

  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = var.health_check_grace_period_seconds
  wait_for_steady_state              = false

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [var.security_group_id]
    assign_public_ip = true
  }

  load_balancer {
    target_group_arn = var.target_group_arns[each.key]
    container_name   = each.key
    container_port   = each.value.port
  }

  dynamic "service_connect_configuration" {
    for_each = var.service_connect ? [1] : []

    content {
      enabled   = true
      namespace = aws_service_discovery_http_namespace.this[0].arn

      service {
        port_name = each.key

        client_alias {
          dns_name = each.key
          port     = each.value.port
        }
      }
    }
  }

  # Deployments happen outside Terraform: it creates a service and then leaves these to whoever deploys.
  lifecycle {
    ignore_changes = [task_definition, health_check_grace_period_seconds, desired_count]
  }
}

output "cluster_name" {
  value = aws_ecs_cluster.this.name
}

output "service_names" {
  value = { for service, one in aws_ecs_service.this : service => one.name }
}
