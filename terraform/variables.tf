variable "app_name" {
  description = "The web app's name, and a part of the names of all that belongs to it. Unique in all of Azure."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9]([A-Za-z0-9-]{0,58}[A-Za-z0-9])$", var.app_name))
    error_message = "app_name '${var.app_name}' is not allowed: 2 to 60 letters, digits and hyphens, no hyphen at either end."
  }
  validation {
    condition     = length(var.app_name) <= 51 || !local.scales
    error_message = "app_name '${var.app_name}' is too long: with a staging slot (sku ${var.sku}) it may have 51 characters, so that '-staging' fits behind it."
  }
}

variable "docker_image" {
  description = "The image that production runs, such as docker.io/USER/lm-api:1.0.0; of the own registry without its host: lm-api:1.0.0."
  type        = string

  validation {
    condition     = var.docker_image != ""
    error_message = "docker_image is not set: write the image that you pushed into main.tf, such as docker_image = \"docker.io/USER/lm-api:1.0.0\"."
  }
  validation {
    condition     = var.docker_image == "" || can(regex("^[a-z0-9][A-Za-z0-9._/:-]*:[A-Za-z0-9_][A-Za-z0-9._-]*$", var.docker_image))
    error_message = "docker_image '${var.docker_image}' is not an image with a tag, such as docker.io/USER/lm-api:1.0.0."
  }
  validation {
    condition     = !endswith(var.docker_image, ":latest")
    error_message = "docker_image '${var.docker_image}' is not allowed: 'latest' changes under a running app, and can't be rolled back. Give the image a tag of its own, such as 1.0.0."
  }
  validation {
    condition     = !var.own_registry || !can(regex("^[^/]*[.:][^/]*/", var.docker_image))
    error_message = "docker_image '${var.docker_image}' names a registry, but own_registry is true: leave the registry's host out, or set own_registry = false."
  }
}

variable "staging_image" {
  description = "The image that the staging slot runs, written like docker_image. null: the same as production."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^[a-z0-9][A-Za-z0-9._/:-]*:[A-Za-z0-9_][A-Za-z0-9._-]*$", coalesce(var.staging_image, "none:none"))) && !endswith(coalesce(var.staging_image, "none"), ":latest")
    error_message = "staging_image is not an image with a tag other than 'latest', such as docker.io/USER/lm-api:1.0.1."
  }
  validation {
    condition     = var.staging_image == null || local.scales
    error_message = "staging_image is set, but sku ${var.sku} has no staging slot: choose an S or P sku, or remove staging_image."
  }
}

variable "location" {
  description = "The Azure region, as 'az account list-locations' names it."
  type        = string
  default     = "westeurope"

  validation {
    condition     = can(regex("^[a-z0-9]+$", var.location))
    error_message = "location '${var.location}' is not the name of a region, such as westeurope or eastus2."
  }
}

variable "sku" {
  description = "The size of an instance. B is cheap: one instance, no staging slot. S and P have a staging slot, and scale."
  type        = string
  default     = "B1"

  validation {
    condition     = can(regex("^(B[1-3]|S[1-3]|P[0-3]v3)$", var.sku))
    error_message = "sku '${var.sku}' is not allowed: B1 to B3, S1 to S3, or P0v3 to P3v3."
  }
}

variable "instances" {
  description = "How many instances an S or P sku runs: from min on an idle day to max under load."
  type        = object({ min = number, max = number })
  default     = { min = 1, max = 3 }

  validation {
    condition     = var.instances.min >= 1 && var.instances.max <= 10 && floor(var.instances.min) == var.instances.min && floor(var.instances.max) == var.instances.max
    error_message = "instances = { min = ${var.instances.min}, max = ${var.instances.max} } is not allowed: whole numbers from 1 to 10."
  }
  validation {
    condition     = var.instances.min <= var.instances.max
    error_message = "instances: min is ${var.instances.min}, which is above max, ${var.instances.max}."
  }
}

variable "secret_key" {
  description = "Django's SECRET_KEY. It is kept in the key vault, and not in the state."
  type        = string
  sensitive   = true

  validation {
    condition     = length(var.secret_key) >= 50
    error_message = "secret_key is shorter than 50 characters: let 'python contrib/setup_env_and_terraform.py --new-secret-key' make one."
  }
}

variable "verify_key" {
  description = "The public key by which models on models_share are verified (LM_VERIFY_KEY); several with commas. Whoever trains has the private one. An image brings the key of its own models."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^MCowBQYDK2VwAyEA[A-Za-z0-9+/]{43}=(,MCowBQYDK2VwAyEA[A-Za-z0-9+/]{43}=)*$", coalesce(var.verify_key, "MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")))
    error_message = "verify_key is not a public Ed25519 key: take LM_VERIFY_KEY from .env; 'python contrib/setup_env_and_terraform.py --new-signing-key' makes one."
  }
}

variable "settings" {
  description = "More settings of the app, as the README lists them, such as { LM_DEFAULT_MODEL = \"mtcars\" }."
  type        = map(string)
  default     = {}

  validation {
    condition     = length(setintersection(keys(var.settings), ["SECRET_KEY", "PORT", "WEBSITES_PORT", "LM_MODELS_DIR", "LM_VERIFY_KEY"])) == 0
    error_message = "settings must not hold SECRET_KEY, PORT, WEBSITES_PORT, LM_MODELS_DIR or LM_VERIFY_KEY: the module sets them."
  }
  validation {
    condition     = !contains(keys(var.settings), "LM_SIGNING_KEY")
    error_message = "settings must not hold LM_SIGNING_KEY: servers verify models, and only whoever trains them signs."
  }
}

variable "own_registry" {
  description = "Make a container registry for the image, which the app reads with its own identity. Needs the right to assign roles."
  type        = bool
  default     = false
}

variable "models_share" {
  description = "An Azure Files share that holds the models, for all instances: its storage account and its name. It is not made here, so that destroying the app leaves the models. null: the models in the image."
  type        = object({ account = string, name = string })
  default     = null

  validation {
    condition     = var.models_share == null || var.verify_key != null
    error_message = "models_share needs verify_key, or the app would serve whatever somebody writes there: add the line with verify_key that 'python contrib/setup_env_and_terraform.py --force' writes to main.tf."
  }
}

variable "models_share_key" {
  description = "The key of models_share's storage account. App Service mounts shares by key, so it is also in the state."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = (var.models_share == null) == (var.models_share_key == null)
    error_message = "models_share and models_share_key belong together: set both, or none."
  }
}
