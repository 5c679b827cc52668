variable "project" {
  type = string
}

variable "services" {
  type = set(string)
}

resource "aws_ecr_repository" "this" {
  for_each = var.services

  name                 = "${var.project}-${each.key}"
  image_tag_mutability = "IMMUTABLE"
}

resource "aws_ecr_lifecycle_policy" "this" {
  for_each = aws_ecr_repository.this

  repository = each.value.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Untagged images go after a week"
      selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 7 }
      action       = { type = "expire" }
    }]
  })
}

output "repository_urls" {
  value = { for service, repository in aws_ecr_repository.this : service => repository.repository_url }
}
