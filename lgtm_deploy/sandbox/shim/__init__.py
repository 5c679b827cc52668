"""Makes one pinned MiniStack tell the truth about ECS, its load balancer and its registry."""
