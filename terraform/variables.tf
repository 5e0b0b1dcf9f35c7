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
  description = "More settings of the app, as docs/settings.md lists them, such as { LM_DEFAULT_MODEL = \"mtcars\" }."
  type        = map(string)
  default     = {}

  validation {
    condition = length(setintersection(keys(var.settings), [
      "SECRET_KEY", "PORT", "WEBSITES_PORT", "LM_MODELS_DIR", "LM_VERIFY_KEY", "LM_REQUIRED_MODELS", "LOG_FORMAT", "LM_METRICS", "LM_API_KEYS", "LM_API_KEYS_FILE",
      "LM_RATE_LIMIT", "REDIS_URL", "LM_TRUSTED_PROXIES", "LM_PREDICTION_LOG", "LM_PREDICTION_LOG_DAYS", "APPLICATIONINSIGHTS_CONNECTION_STRING",
    ])) == 0
    error_message = "settings must not hold what the module sets, or has a variable for: ${join(", ", keys(var.settings))} does."
  }
  validation {
    condition     = !contains(keys(var.settings), "LM_SIGNING_KEY")
    error_message = "settings must not hold LM_SIGNING_KEY: servers verify models, and only whoever trains them signs."
  }
}

variable "required_models" {
  description = "The models, beside the default one, without which an instance is not ready (LM_REQUIRED_MODELS): App Service then prefers other instances, and a swap waits."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.required_models : can(regex("^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", name))])
    error_message = "required_models ${jsonencode(var.required_models)} has what is no model's name: letters, digits, '-' and '_', at most 64 of them."
  }
}

variable "log_format" {
  description = "The form of the log's lines (LOG_FORMAT): json for queries in Log Analytics, or text for people."
  type        = string
  default     = "json"

  validation {
    condition     = contains(["json", "text"], var.log_format)
    error_message = "log_format '${var.log_format}' is not allowed: json or text."
  }
}

variable "metrics" {
  description = "Who may read /metrics (LM_METRICS): off for nobody, open for everybody, key for API keys with that right."
  type        = string
  default     = "off"

  validation {
    condition     = contains(["off", "open", "key"], var.metrics)
    error_message = "metrics '${var.metrics}' is not allowed: off, open or key."
  }
  validation {
    condition     = var.metrics != "key" || var.api_keys != null
    error_message = "metrics is key, but there are no api_keys: set them, or write off or open."
  }
}

variable "api_keys" {
  description = "Who may ask what (LM_API_KEYS): the text that 'python manage.py runscript make_key' writes. It holds hashes, and is kept in the key vault. null: everybody may."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = var.api_keys == null || can(regex("\"sha256:[0-9a-f]{64}\"", var.api_keys))
    error_message = "api_keys holds no hash of a key: let 'python manage.py runscript make_key' write it."
  }
  validation {
    condition     = !can(regex("lm_[a-z0-9-]+_[A-Za-z0-9_-]{43}", var.api_keys))
    error_message = "api_keys holds a key itself: only its hash belongs there; the key belongs to whoever asks."
  }
}

variable "rate_limit" {
  description = "How often each API key, or else each address, may ask (LM_RATE_LIMIT), such as 100/minute or 10/second,1000/hour. null: as often as it likes."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^[1-9][0-9]*/(second|minute|hour|day)(,[1-9][0-9]*/(second|minute|hour|day))*$", coalesce(var.rate_limit, "1/second")))
    error_message = "rate_limit is not a limit: write such as 100/minute, or 10/second,1000/hour."
  }
}

variable "redis_url" {
  description = "The Redis that counts for all instances together (REDIS_URL), such as rediss://:PASSWORD@HOST:6380. It is kept in the key vault. null: each instance counts for itself."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = can(regex("^rediss?://[^/ ]+", coalesce(var.redis_url, "redis://none")))
    error_message = "redis_url is not the URL of a Redis: write such as rediss://:PASSWORD@HOST:6380."
  }
  validation {
    condition     = var.redis_url == null || var.rate_limit != null
    error_message = "redis_url is set, but there is no rate_limit that it would count for: set that, or remove redis_url."
  }
}

variable "trusted_proxies" {
  description = "The addresses and networks of proxies before App Service (LM_TRUSTED_PROXIES), whose X-Forwarded-For is believed where rate_limit counts addresses. App Service itself needs no entry."
  type        = list(string)
  default     = []

  validation {
    condition = alltrue([
      for proxy in var.trusted_proxies :
      can(cidrhost(strcontains(proxy, "/") ? proxy : "${proxy}/${strcontains(proxy, ":") ? 128 : 32}", 0))
    ])
    error_message = "trusted_proxies ${jsonencode(var.trusted_proxies)} has what is neither an address nor a network: write such as 10.0.0.1 or 10.1.0.0/16."
  }
  validation {
    condition     = length(setintersection(var.trusted_proxies, ["0.0.0.0/0", "::/0"])) == 0
    error_message = "trusted_proxies must not be all addresses: whoever asks could then write any other."
  }
}

variable "entra" {
  description = "Have Entra ID ask who it is before any request gets to the app: the tenant, the app registration's client id, and the paths that stay open. null: no."
  type = object({
    tenant_id  = string
    client_id  = string
    open_paths = optional(list(string), ["/healthz", "/readyz"])
  })
  default = null

  validation {
    condition = var.entra == null || alltrue([
      for id in [try(var.entra.tenant_id, ""), try(var.entra.client_id, "")] :
      can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", id))
    ])
    error_message = "entra: tenant_id and client_id are not both such as 00000000-0000-0000-0000-000000000000; the app registration's page shows them."
  }
  validation {
    condition     = var.entra == null || length(setsubtract(["/healthz", "/readyz"], try(var.entra.open_paths, []))) == 0
    error_message = "entra: open_paths must hold /healthz and /readyz, or App Service takes no instance for healthy."
  }
  validation {
    condition     = alltrue([for path in try(var.entra.open_paths, []) : can(regex("^/[!-~]+$", path))])
    error_message = "entra: open_paths ${jsonencode(try(var.entra.open_paths, []))} has what is not a path such as /readyz; / alone would open all."
  }
}

variable "entra_secret" {
  description = "The client secret of entra's app registration. It is kept in the key vault."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = (var.entra == null) == (var.entra_secret == null)
    error_message = "entra and entra_secret belong together: set both, or none."
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

variable "prediction_log_share" {
  description = "An Azure Files share for the prediction log of all instances (LM_PREDICTION_LOG): its storage account and its name. It is not made here, so that destroying the app leaves the log. null: no log."
  type        = object({ account = string, name = string })
  default     = null

  validation {
    condition     = var.prediction_log_share == null || var.prediction_log_share != var.models_share
    error_message = "prediction_log_share is models_share: give the log a share of its own, as the app need not write where its models are."
  }
}

variable "prediction_log_share_key" {
  description = "The key of prediction_log_share's storage account. App Service mounts shares by key, so it is also in the state."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = (var.prediction_log_share == null) == (var.prediction_log_share_key == null)
    error_message = "prediction_log_share and prediction_log_share_key belong together: set both, or none."
  }
}

variable "prediction_log_days" {
  description = "How many days the prediction log is kept (LM_PREDICTION_LOG_DAYS). null: as the app has it."
  type        = number
  default     = null

  validation {
    condition     = coalesce(var.prediction_log_days, 1) >= 1 && floor(coalesce(var.prediction_log_days, 1)) == coalesce(var.prediction_log_days, 1)
    error_message = "prediction_log_days ${coalesce(var.prediction_log_days, 0)} is not a whole number above 0."
  }
  validation {
    condition     = var.prediction_log_days == null || var.prediction_log_share != null
    error_message = "prediction_log_days is set, but there is no prediction_log_share: set that, or remove prediction_log_days."
  }
}

variable "cluster" {
  description = "Print the commands that start and end a Dask cluster on Azure Container Instances for data that are larger than memory, on models_share, where the data are, too: how many workers, and the cores and GB of each. Nothing of it costs before it is started. null: none."
  type        = object({ workers = number, cpu = optional(number, 1), memory = optional(number, 2) })
  default     = null

  validation {
    condition     = var.cluster == null || (try(var.cluster.workers, 0) >= 1 && try(var.cluster.workers, 0) <= 100 && floor(try(var.cluster.workers, 0)) == try(var.cluster.workers, 0))
    error_message = "cluster: workers is not a whole number from 1 to 100, so many container groups as Azure lets a subscription have in a region."
  }
  validation {
    condition     = var.cluster == null || (contains([1, 2, 4], try(var.cluster.cpu, 1)) && try(var.cluster.memory, 2) >= 1 && try(var.cluster.memory, 2) <= 16)
    error_message = "cluster: cpu is not 1, 2 or 4, or memory is not from 1 to 16 (GB)."
  }
  validation {
    condition     = var.cluster == null || var.models_share != null
    error_message = "cluster is set, but there is no models_share, on which all workers see the data: set that, or remove cluster."
  }
}
