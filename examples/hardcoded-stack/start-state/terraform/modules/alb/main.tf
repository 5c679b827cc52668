variable "name" {
  type = string
}

variable "vpc_id" {
  type = string
}

variable "subnet_ids" {
  type = list(string)
}

variable "security_group_id" {
  type = string
}

variable "certificate_arn" {
  type = string
}

resource "aws_lb" "this" {
  name               = var.name
  load_balancer_type = "application"
  security_groups    = [var.security_group_id]
  subnets            = var.subnet_ids
}

resource "aws_lb_target_group" "grafana" {
  name                 = "${var.name}-grafana"
  port                 = 3000
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = var.vpc_id
  deregistration_delay = 5

  health_check {
    path                = "/api/health"
    interval            = 5
    timeout             = 3
    healthy_threshold   = 2
    unhealthy_threshold = 4
  }
}

resource "aws_lb_target_group" "loki" {
  name                 = "${var.name}-loki"
  port                 = 3100
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = var.vpc_id
  deregistration_delay = 5

  health_check {
    path                = "/ready"
    interval            = 5
    timeout             = 3
    healthy_threshold   = 2
    unhealthy_threshold = 4
  }
}

resource "aws_lb_target_group" "tempo" {
  name                 = "${var.name}-tempo"
  port                 = 3200
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = var.vpc_id
  deregistration_delay = 5

  health_check {
    path                = "/ready"
    interval            = 5
    timeout             = 3
    healthy_threshold   = 2
    unhealthy_threshold = 4
  }
}

resource "aws_lb_target_group" "pyroscope" {
  name                 = "${var.name}-pyroscope"
  port                 = 4040
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = var.vpc_id
  deregistration_delay = 5

  health_check {
    path                = "/ready"
    interval            = 5
    timeout             = 3
    healthy_threshold   = 2
    unhealthy_threshold = 4
  }
}

resource "aws_lb_listener" "this" {
  load_balancer_arn = aws_lb.this.arn
  port              = var.certificate_arn == "" ? 80 : 443
  protocol          = var.certificate_arn == "" ? "HTTP" : "HTTPS"
  certificate_arn   = var.certificate_arn == "" ? null : var.certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.grafana.arn
  }
}

resource "aws_lb_listener_rule" "loki" {
  listener_arn = aws_lb_listener.this.arn
  priority     = 20

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.loki.arn
  }

  condition {
    path_pattern {
      values = ["/loki/*"]
    }
  }
}

resource "aws_lb_listener_rule" "tempo" {
  listener_arn = aws_lb_listener.this.arn
  priority     = 30

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.tempo.arn
  }

  condition {
    path_pattern {
      values = ["/tempo/*"]
    }
  }
}

resource "aws_lb_listener_rule" "pyroscope" {
  listener_arn = aws_lb_listener.this.arn
  priority     = 40

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.pyroscope.arn
  }

  condition {
    path_pattern {
      values = ["/pyroscope/*"]
    }
  }
}

output "target_groups" {
  value = {
    grafana   = aws_lb_target_group.grafana.arn
    loki      = aws_lb_target_group.loki.arn
    tempo     = aws_lb_target_group.tempo.arn
    pyroscope = aws_lb_target_group.pyroscope.arn
  }
}
