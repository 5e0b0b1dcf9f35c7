# One web app that runs the image, and what it needs. variables.tf says what can be chosen.

locals {
  port        = 8000       # as in the Dockerfile
  health_path = "/healthz" # as in ml_api/probes.py: the server lives
  ready_path  = "/readyz"  # as there: the models can be served
  scales      = !startswith(var.sku, "B")

  # Vaults and registries have names that are unique in all of Azure, and at most 24 characters long.
  unique = "${substr(lower(replace(var.app_name, "-", "")), 0, 14)}${substr(sha256("${data.azurerm_client_config.current.subscription_id}/${var.app_name}"), 0, 6)}"

  # The first part of an image is its registry's host if it has a dot or a port; without one, Docker Hub is meant.
  images = {
    for slot, image in { production = var.docker_image, staging = coalesce(var.staging_image, var.docker_image, "none") } :
    slot => regex("^(?:(?P<host>[^/]*[.:][^/]*)/)?(?P<name>.*)$", image)
  }
  registry_urls = {
    for slot, image in local.images :
    slot => "https://${var.own_registry ? azurerm_container_registry.own[0].login_server : replace(coalesce(image.host, "docker.io"), "/^docker\\.io$/", "index.docker.io")}"
  }

  # What goes through the key vault: the app's setting, by the secret's name.
  secrets = merge(
    { secret-key = "SECRET_KEY" },
    nonsensitive(var.api_keys == null) ? {} : { api-keys = "LM_API_KEYS" },
    nonsensitive(var.redis_url == null) ? {} : { redis-url = "REDIS_URL" },
    var.entra == null ? {} : { entra-secret = local.entra_setting },
  )
  secret_values = {
    secret-key   = var.secret_key
    api-keys     = var.api_keys
    redis-url    = var.redis_url
    entra-secret = var.entra_secret
  }
  entra_setting = "MICROSOFT_PROVIDER_AUTHENTICATION_SECRET"

  # Where shares are mounted, by the setting that names the folder.
  shares = merge(
    var.models_share == null ? {} : { LM_MODELS_DIR = merge(var.models_share, { mount = "models" }) },
    var.prediction_log_share == null ? {} : { LM_PREDICTION_LOG = merge(var.prediction_log_share, { mount = "predictions" }) },
  )
  share_keys = { LM_MODELS_DIR = var.models_share_key, LM_PREDICTION_LOG = var.prediction_log_share_key }

  # What follows from variables; empty ones are left out.
  chosen = {
    LM_VERIFY_KEY          = var.verify_key
    LM_REQUIRED_MODELS     = join(",", var.required_models)
    LOG_FORMAT             = var.log_format
    LM_METRICS             = var.metrics
    LM_RATE_LIMIT          = var.rate_limit
    LM_TRUSTED_PROXIES     = join(",", var.trusted_proxies)
    LM_PREDICTION_LOG_DAYS = var.prediction_log_share == null ? null : var.prediction_log_days
  }

  app_settings = merge(
    var.settings,
    {
      APPLICATIONINSIGHTS_CONNECTION_STRING = azurerm_application_insights.app.connection_string
      PORT                                  = local.port # where gunicorn listens
      WEBSITES_PORT                         = local.port # where App Service asks
      # The container's root file system and the shares are all the storage there is.
      WEBSITES_ENABLE_APP_SERVICE_STORAGE = false
      # Seconds until a container that was told to stop is killed: more than gunicorn's graceful_timeout.
      WEBSITES_CONTAINER_STOP_TIME_LIMIT = 30
      # The first request to a new container: it is to live, even where its models are still to be uploaded.
      WEBSITE_WARMUP_PATH = local.health_path
      # Slots are swapped when the new one can serve its models, and not before.
      WEBSITE_SWAP_WARMUP_PING_PATH     = local.ready_path
      WEBSITE_SWAP_WARMUP_PING_STATUSES = 200
    },
    { for secret, setting in local.secrets : setting => "@Microsoft.KeyVault(SecretUri=${azurerm_key_vault_secret.app[secret].versionless_id})" },
    { for setting, share in local.shares : setting => "/${share.mount}" },
    { for setting, value in local.chosen : setting => value if value != null && value != "" },
  )
}

data "azurerm_client_config" "current" {}

resource "azurerm_resource_group" "app" {
  name     = "rg-${var.app_name}"
  location = var.location
}

# The identity by which the app reads its secret and its image. It exists before the app, so that the first start works.
resource "azurerm_user_assigned_identity" "app" {
  name                = "id-${var.app_name}"
  resource_group_name = azurerm_resource_group.app.name
  location            = azurerm_resource_group.app.location
}

# The secrets

resource "azurerm_key_vault" "app" {
  #checkov:skip=CKV_AZURE_110:Purge protection would block the vault's name for months after a destroy; what is in it is elsewhere, too.
  #checkov:skip=CKV_AZURE_42:As for CKV_AZURE_110.
  #checkov:skip=CKV_AZURE_109:The app has no virtual network, and its addresses are shared with other apps.
  #checkov:skip=CKV_AZURE_189:As for CKV_AZURE_109; access needs an identity all the same.
  #checkov:skip=CKV2_AZURE_32:As for CKV_AZURE_109.
  name                       = "kv-${local.unique}"
  resource_group_name        = azurerm_resource_group.app.name
  location                   = azurerm_resource_group.app.location
  tenant_id                  = data.azurerm_client_config.current.tenant_id
  sku_name                   = "standard"
  soft_delete_retention_days = 7

  # Policies, not roles: they work at once, and need no right to assign roles.
  rbac_authorization_enabled = false

  access_policy {
    tenant_id          = data.azurerm_client_config.current.tenant_id
    object_id          = data.azurerm_client_config.current.object_id
    secret_permissions = ["Get", "Set", "Delete", "Recover", "Purge"]
  }
  access_policy {
    tenant_id          = data.azurerm_client_config.current.tenant_id
    object_id          = azurerm_user_assigned_identity.app.principal_id
    secret_permissions = ["Get"]
  }
}

resource "azurerm_key_vault_secret" "app" {
  #checkov:skip=CKV_AZURE_41:Nothing would renew them in time; how to replace each is in docs/deploy.md.
  for_each     = local.secrets
  name         = each.key
  key_vault_id = azurerm_key_vault.app.id
  content_type = each.value
  value_wo     = local.secret_values[each.key]
  # A write-only value is written when its version changes; a few digits of its hash tell nothing about the secret.
  value_wo_version = nonsensitive(parseint(substr(sha256(local.secret_values[each.key]), 0, 6), 16))
}

moved {
  from = azurerm_key_vault_secret.secret_key
  to   = azurerm_key_vault_secret.app["secret-key"]
}

# The image's registry, if it is our own

resource "azurerm_container_registry" "own" {
  #checkov:skip=CKV_AZURE_139:Private endpoints need the Premium sku, at ten times the price.
  #checkov:skip=CKV_AZURE_163:Scans of images come with Microsoft Defender, which belongs to the subscription.
  #checkov:skip=CKV_AZURE_164:Signed images need the Premium sku, at ten times the price.
  #checkov:skip=CKV_AZURE_165:Replicas in other regions need the Premium sku, at ten times the price.
  #checkov:skip=CKV_AZURE_166:Quarantine needs the Premium sku, at ten times the price.
  #checkov:skip=CKV_AZURE_167:Retention rules need the Premium sku; and old images are what a rollback needs.
  #checkov:skip=CKV_AZURE_233:Zone redundancy needs the Premium sku, at ten times the price.
  #checkov:skip=CKV_AZURE_237:Dedicated data endpoints need the Premium sku, at ten times the price.
  count               = var.own_registry ? 1 : 0
  name                = "cr${local.unique}"
  resource_group_name = azurerm_resource_group.app.name
  location            = azurerm_resource_group.app.location
  sku                 = "Basic"
  admin_enabled       = false
}

resource "azurerm_role_assignment" "pull" {
  count                = var.own_registry ? 1 : 0
  scope                = azurerm_container_registry.own[0].id
  role_definition_name = "AcrPull"
  principal_id         = azurerm_user_assigned_identity.app.principal_id
  principal_type       = "ServicePrincipal" # without it, a new identity may not be found yet
}

# The app

resource "azurerm_service_plan" "app" {
  #checkov:skip=CKV_AZURE_211:The B skus are the cheap way; S and P are a variable away.
  #checkov:skip=CKV_AZURE_212:The number of instances is the autoscale setting's.
  #checkov:skip=CKV_AZURE_225:Zone redundancy needs a Premium sku and three instances.
  name                = "plan-${var.app_name}"
  resource_group_name = azurerm_resource_group.app.name
  location            = azurerm_resource_group.app.location
  os_type             = "Linux"
  sku_name            = var.sku
}

resource "azurerm_linux_web_app" "app" {
  #checkov:skip=CKV_AZURE_13:The API is public; it has no users.
  #checkov:skip=CKV_AZURE_17:As for CKV_AZURE_13.
  #checkov:skip=CKV_AZURE_222:As for CKV_AZURE_13.
  #checkov:skip=CKV_AZURE_65:Detailed error pages are those of Windows' web server.
  #checkov:skip=CKV_AZURE_66:As for CKV_AZURE_65.
  name                                           = var.app_name
  resource_group_name                            = azurerm_resource_group.app.name
  location                                       = azurerm_resource_group.app.location
  service_plan_id                                = azurerm_service_plan.app.id
  https_only                                     = true
  client_affinity_enabled                        = false # any instance answers any request
  ftp_publish_basic_authentication_enabled       = false
  webdeploy_publish_basic_authentication_enabled = false
  key_vault_reference_identity_id                = azurerm_user_assigned_identity.app.id
  app_settings                                   = local.app_settings

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.app.id]
  }

  site_config {
    always_on                                     = true
    use_32_bit_worker                             = false
    http2_enabled                                 = true
    ftps_state                                    = "Disabled"
    minimum_tls_version                           = "1.2"
    scm_minimum_tls_version                       = "1.2"
    health_check_path                             = local.ready_path
    health_check_eviction_time_in_min             = 2
    container_registry_use_managed_identity       = var.own_registry
    container_registry_managed_identity_client_id = var.own_registry ? azurerm_user_assigned_identity.app.client_id : null

    application_stack {
      docker_registry_url = local.registry_urls.production
      docker_image_name   = local.images.production.name
    }
  }

  logs {
    http_logs {
      file_system {
        retention_in_days = 7
        retention_in_mb   = 35
      }
    }
  }

  dynamic "storage_account" {
    for_each = local.shares
    content {
      name         = storage_account.value.mount
      type         = "AzureFiles"
      account_name = storage_account.value.account
      share_name   = storage_account.value.name
      access_key   = local.share_keys[storage_account.key]
      mount_path   = "/${storage_account.value.mount}"
    }
  }

  dynamic "auth_settings_v2" {
    for_each = var.entra[*]
    content {
      auth_enabled           = true
      require_authentication = true
      unauthenticated_action = "RedirectToLoginPage" # people read the docs; programs send a token
      default_provider       = "azureactivedirectory"
      excluded_paths         = auth_settings_v2.value.open_paths

      active_directory_v2 {
        client_id                  = auth_settings_v2.value.client_id
        client_secret_setting_name = local.entra_setting
        tenant_auth_endpoint       = "https://login.microsoftonline.com/${auth_settings_v2.value.tenant_id}/v2.0"
        allowed_audiences          = [auth_settings_v2.value.client_id, "api://${auth_settings_v2.value.client_id}"]
      }

      login {}
    }
  }

  depends_on = [azurerm_role_assignment.pull]
}

# The staging slot is the app once more, but for its name and its image; tests/ compares the two.
resource "azurerm_linux_web_app_slot" "staging" {
  count                                          = local.scales ? 1 : 0
  name                                           = "staging"
  app_service_id                                 = azurerm_linux_web_app.app.id
  https_only                                     = true
  client_affinity_enabled                        = false
  ftp_publish_basic_authentication_enabled       = false
  webdeploy_publish_basic_authentication_enabled = false
  key_vault_reference_identity_id                = azurerm_user_assigned_identity.app.id
  app_settings                                   = local.app_settings

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.app.id]
  }

  site_config {
    always_on                                     = true
    use_32_bit_worker                             = false
    http2_enabled                                 = true
    ftps_state                                    = "Disabled"
    minimum_tls_version                           = "1.2"
    scm_minimum_tls_version                       = "1.2"
    health_check_path                             = local.ready_path
    health_check_eviction_time_in_min             = 2
    container_registry_use_managed_identity       = var.own_registry
    container_registry_managed_identity_client_id = var.own_registry ? azurerm_user_assigned_identity.app.client_id : null

    application_stack {
      docker_registry_url = local.registry_urls.staging
      docker_image_name   = local.images.staging.name
    }
  }

  logs {
    http_logs {
      file_system {
        retention_in_days = 7
        retention_in_mb   = 35
      }
    }
  }

  dynamic "storage_account" {
    for_each = local.shares
    content {
      name         = storage_account.value.mount
      type         = "AzureFiles"
      account_name = storage_account.value.account
      share_name   = storage_account.value.name
      access_key   = local.share_keys[storage_account.key]
      mount_path   = "/${storage_account.value.mount}"
    }
  }

  dynamic "auth_settings_v2" {
    for_each = var.entra[*]
    content {
      auth_enabled           = true
      require_authentication = true
      unauthenticated_action = "RedirectToLoginPage" # people read the docs; programs send a token
      default_provider       = "azureactivedirectory"
      excluded_paths         = auth_settings_v2.value.open_paths

      active_directory_v2 {
        client_id                  = auth_settings_v2.value.client_id
        client_secret_setting_name = local.entra_setting
        tenant_auth_endpoint       = "https://login.microsoftonline.com/${auth_settings_v2.value.tenant_id}/v2.0"
        allowed_audiences          = [auth_settings_v2.value.client_id, "api://${auth_settings_v2.value.client_id}"]
      }

      login {}
    }
  }
}

resource "azurerm_monitor_autoscale_setting" "cpu" {
  count               = local.scales ? 1 : 0
  name                = "autoscale-${var.app_name}"
  resource_group_name = azurerm_resource_group.app.name
  location            = azurerm_resource_group.app.location
  target_resource_id  = azurerm_service_plan.app.id

  profile {
    name = "cpu"

    capacity {
      default = var.instances.min
      minimum = var.instances.min
      maximum = var.instances.max
    }

    rule {
      metric_trigger {
        metric_resource_id = azurerm_service_plan.app.id
        metric_name        = "CpuPercentage"
        operator           = "GreaterThan"
        threshold          = 70
        statistic          = "Average"
        time_aggregation   = "Average"
        time_grain         = "PT1M"
        time_window        = "PT5M"
      }
      scale_action {
        direction = "Increase"
        type      = "ChangeCount"
        value     = 1
        cooldown  = "PT5M"
      }
    }

    # Far enough below the other that one instance less does not bring it back.
    rule {
      metric_trigger {
        metric_resource_id = azurerm_service_plan.app.id
        metric_name        = "CpuPercentage"
        operator           = "LessThan"
        threshold          = 30
        statistic          = "Average"
        time_aggregation   = "Average"
        time_grain         = "PT1M"
        time_window        = "PT10M"
      }
      scale_action {
        direction = "Decrease"
        type      = "ChangeCount"
        value     = 1
        cooldown  = "PT5M"
      }
    }
  }
}

# Logs

resource "azurerm_log_analytics_workspace" "app" {
  name                = "log-${var.app_name}"
  resource_group_name = azurerm_resource_group.app.name
  location            = azurerm_resource_group.app.location
  retention_in_days   = 30
  daily_quota_gb      = 1 # a bound for the bill
}

# Requests with their clients, what the container prints, and what App Service does with it.
resource "azurerm_monitor_diagnostic_setting" "app" {
  for_each                   = merge({ production = azurerm_linux_web_app.app.id }, { for slot in azurerm_linux_web_app_slot.staging : slot.name => slot.id })
  name                       = "logs"
  target_resource_id         = each.value
  log_analytics_workspace_id = azurerm_log_analytics_workspace.app.id

  enabled_log {
    category = "AppServiceHTTPLogs"
  }
  enabled_log {
    category = "AppServiceConsoleLogs"
  }
  enabled_log {
    category = "AppServicePlatformLogs"
  }
}

# Traces, which the app sends; see docs/observe.md.
resource "azurerm_application_insights" "app" {
  name                = "appi-${var.app_name}"
  resource_group_name = azurerm_resource_group.app.name
  location            = azurerm_resource_group.app.location
  workspace_id        = azurerm_log_analytics_workspace.app.id
  application_type    = "web"
}
