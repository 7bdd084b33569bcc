# Who may do what with the buckets: one role for each kind of work. policies/ROLE.json has its rights.
locals {
  roles = toset(["preprocessor", "trainer", "evaluator", "reader"])
}

resource "aws_iam_role" "work" {
  for_each = local.roles

  name = "${var.name}-${each.key}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Effect    = "Allow"
        Principal = { Service = "pods.eks.amazonaws.com" }
        Action    = ["sts:AssumeRole", "sts:TagSession"]
      }],
      [for arn in lookup(var.assumed_by, each.key, []) : {
        Effect    = "Allow"
        Principal = { AWS = arn }
        Action    = "sts:AssumeRole"
      }],
    )
  })
}

resource "aws_iam_role_policy" "work" {
  for_each = local.roles

  name   = "buckets"
  role   = aws_iam_role.work[each.key].id
  policy = templatefile("${path.module}/policies/${each.key}.json", local.bucket_arns)
}

# Pods of the service account ROLE in the namespace get the role; no key is stored anywhere.
resource "aws_eks_pod_identity_association" "work" {
  for_each = local.roles

  cluster_name    = aws_eks_cluster.this.name
  namespace       = var.namespace
  service_account = each.key
  role_arn        = aws_iam_role.work[each.key].arn
}
