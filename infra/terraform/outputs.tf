output "buckets" {
  description = "Kind of data -> name of its bucket."
  value       = { for key, bucket in aws_s3_bucket.store : key => bucket.id }
}

output "environment" {
  description = "What the trainers' environment gets: variables of dvdgan."
  value = {
    DVDGAN_SHARDS = "s3://${aws_s3_bucket.store["shards"].id}/shards"
    DVDGAN_BACKUP = "s3://${aws_s3_bucket.store["backups"].id}/runs"
  }
}

output "roles" {
  description = "Kind of work -> ARN of its role."
  value       = { for key, role in aws_iam_role.work : key => role.arn }
}

output "registry" {
  description = "REGISTRY: images are pushed to REGISTRY/dvdgan."
  value       = trimsuffix(aws_ecr_repository.image.repository_url, "/dvdgan")
}

output "cluster" {
  description = "Name of the cluster, for `aws eks update-kubeconfig --name`."
  value       = aws_eks_cluster.this.name
}
