variable "name" {
  description = "Begins the names of all resources. Bucket names are global: choose one that nobody else has."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,24}$", var.name))
    error_message = "name must have 3 to 25 lower-case letters, digits and hyphens, and begin with a letter."
  }
}

variable "region" {
  description = "AWS region of all resources."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be the name of an AWS region, such as eu-central-1."
  }
}

variable "noncurrent_days" {
  description = "Days for which a bucket keeps what was deleted or overwritten."
  type        = map(number)
  default     = { raw = 90, shards = 7, dvc = 30, backups = 7, models = 90 }

  validation {
    condition     = toset(keys(var.noncurrent_days)) == toset(["raw", "shards", "dvc", "backups", "models"])
    error_message = "noncurrent_days must have the keys raw, shards, dvc, backups and models."
  }

  validation {
    condition     = alltrue([for days in values(var.noncurrent_days) : days >= 1 && floor(days) == days])
    error_message = "noncurrent_days must be whole numbers of 1 or more."
  }
}

variable "assumed_by" {
  description = "Role -> ARNs of the users or roles outside the cluster that may assume it, for instance of a Slurm cluster's nodes."
  type        = map(list(string))
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.assumed_by), ["preprocessor", "trainer", "evaluator", "reader"])) == 0
    error_message = "The keys of assumed_by must be of preprocessor, trainer, evaluator and reader."
  }

  validation {
    condition     = alltrue([for arn in flatten(values(var.assumed_by)) : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(user|role)/", arn))])
    error_message = "assumed_by must hold ARNs of IAM users or roles: an account or * would let in everybody."
  }
}

variable "kept_images" {
  description = "Number of images that the registry keeps; older ones are deleted."
  type        = number
  default     = 50

  validation {
    condition     = var.kept_images >= 1 && floor(var.kept_images) == var.kept_images
    error_message = "kept_images must be a whole number of 1 or more."
  }
}

variable "kubernetes_version" {
  description = "Version of the EKS cluster."
  type        = string

  validation {
    condition     = can(regex("^1\\.[0-9]{2}$", var.kubernetes_version))
    error_message = "kubernetes_version must be MAJOR.MINOR, such as 1.33."
  }
}

variable "subnet_ids" {
  description = "Private subnets of an existing VPC, in two availability zones or more. The GPU nodes are in the first one, so that they are close to each other."
  type        = list(string)

  validation {
    condition     = length(distinct(var.subnet_ids)) >= 2 && alltrue([for id in var.subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])
    error_message = "subnet_ids must be two or more subnets, subnet-..."
  }
}

variable "api_allowed_cidrs" {
  description = "Address ranges from which the cluster's API can be reached. Empty: only from inside the VPC."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.api_allowed_cidrs : can(cidrhost(cidr, 0)) && !can(regex("/0$", cidr))])
    error_message = "api_allowed_cidrs must be address ranges, such as 198.51.100.0/24, and not the whole internet."
  }
}

variable "namespace" {
  description = "Kubernetes namespace of the service accounts that get the roles."
  type        = string
  default     = "dvdgan"

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.namespace))
    error_message = "namespace must be the name of a Kubernetes namespace."
  }
}

variable "gpu_instance_type" {
  description = "Instance type of the GPU nodes."
  type        = string
  default     = "p5.48xlarge"

  validation {
    condition     = can(regex("^(p|g)[0-9]", var.gpu_instance_type))
    error_message = "gpu_instance_type must be one with NVIDIA GPUs: p... or g..."
  }
}

variable "gpu_capacity" {
  description = "How GPU nodes are paid for. Spot nodes can be taken away with two minutes' notice."
  type        = string
  default     = "ON_DEMAND"

  validation {
    condition     = contains(["ON_DEMAND", "SPOT"], var.gpu_capacity)
    error_message = "gpu_capacity must be ON_DEMAND or SPOT."
  }
}

variable "gpu_nodes" {
  description = "Number of GPU nodes when nobody has scaled the group yet, and the largest number that is allowed."
  type        = object({ initial = number, max = number })
  default     = { initial = 0, max = 2 }

  validation {
    condition     = 0 <= var.gpu_nodes.initial && var.gpu_nodes.initial <= var.gpu_nodes.max && var.gpu_nodes.max >= 1
    error_message = "gpu_nodes must have 0 <= initial <= max, and max >= 1."
  }
}

variable "gpu_disk_gib" {
  description = "Size of a GPU node's root disk: images, and the cache of shards where the node has no local disk of its own."
  type        = number
  default     = 500

  validation {
    condition     = var.gpu_disk_gib >= 100
    error_message = "gpu_disk_gib must be 100 or more: the image and its layers need it."
  }
}
