# What is made of which variables. No Azure is needed: the provider is a mock.

mock_provider "azurerm" {
  mock_resource "azurerm_container_registry" {
    defaults = { login_server = "crmyapp.azurecr.io" }
  }
  mock_resource "azurerm_linux_web_app" {
    defaults = { default_hostname = "my-app-hash.westeurope-01.azurewebsites.net" }
  }
}

variables {
  app_name     = "my-app"
  docker_image = "docker.io/user/lm-api:1.0.0"
  secret_key   = "a-key-for-tests-a-key-for-tests-a-key-for-tests-a-key-for-tests"
  verify_key   = "MCowBQYDK2VwAyEAKYt7oy2rBbdM0mr+BN3poTj+RvT6QzZ3WDek3vuS1Ww="
}

run "the_cheap_way_is_one_instance" {
  assert {
    condition     = azurerm_service_plan.app.sku_name == "B1" && azurerm_service_plan.app.os_type == "Linux"
    error_message = "not one B1 instance on Linux"
  }
  assert {
    condition     = length(azurerm_linux_web_app_slot.staging) + length(azurerm_monitor_autoscale_setting.cpu) + length(azurerm_container_registry.own) == 0
    error_message = "a slot, an autoscale setting or a registry that nobody asked for"
  }
  assert {
    condition     = output.url == "https://my-app-hash.westeurope-01.azurewebsites.net" && output.docs_url == "${output.url}/lm/api/docs" && output.staging_url == null
    error_message = "the URLs are not made of the app's host name"
  }
  assert {
    condition     = join(" ", keys(output.commands)) == "ask logs"
    error_message = "commands for what is not there"
  }
}

run "port_and_probes_are_those_of_the_image" {
  assert {
    condition     = regex("\nEXPOSE (\\d+)\n", file("../Dockerfile"))[0] == azurerm_linux_web_app.app.app_settings["WEBSITES_PORT"]
    error_message = "WEBSITES_PORT is not the Dockerfile's EXPOSE"
  }
  assert {
    condition     = regex("HEALTH_PATH, READY_PATH = \"(.*)\", \"(.*)\"", file("../ml_api/probes.py")) == [azurerm_linux_web_app.app.app_settings["WEBSITE_WARMUP_PATH"], azurerm_linux_web_app.app.site_config[0].health_check_path]
    error_message = "a new container is not asked whether it lives, or the load balancer does not ask whether it is ready"
  }
  assert {
    condition     = azurerm_linux_web_app.app.app_settings["WEBSITE_SWAP_WARMUP_PING_PATH"] == azurerm_linux_web_app.app.site_config[0].health_check_path && azurerm_linux_web_app.app.app_settings["WEBSITE_SWAP_WARMUP_PING_STATUSES"] == "200"
    error_message = "a slot is swapped before it is ready"
  }
}

run "only_modern_and_safe_ways_lead_in" {
  assert {
    condition     = azurerm_linux_web_app.app.https_only
    error_message = "plain HTTP"
  }
  assert {
    condition     = azurerm_linux_web_app.app.site_config[0].minimum_tls_version == "1.2" && azurerm_linux_web_app.app.site_config[0].scm_minimum_tls_version == "1.2"
    error_message = "TLS before 1.2"
  }
  assert {
    condition     = azurerm_linux_web_app.app.site_config[0].ftps_state == "Disabled" && !azurerm_linux_web_app.app.ftp_publish_basic_authentication_enabled
    error_message = "FTP"
  }
  assert {
    condition     = !azurerm_linux_web_app.app.webdeploy_publish_basic_authentication_enabled
    error_message = "publishing by password"
  }
  assert {
    condition     = azurerm_linux_web_app.app.site_config[0].always_on && !azurerm_linux_web_app.app.site_config[0].use_32_bit_worker
    error_message = "not always on, or 32-bit"
  }
}

run "the_secret_key_is_only_in_the_vault" {
  assert {
    condition     = startswith(azurerm_linux_web_app.app.app_settings["SECRET_KEY"], "@Microsoft.KeyVault(SecretUri=")
    error_message = "the app's setting is not a reference"
  }
  assert {
    condition     = azurerm_linux_web_app.app.key_vault_reference_identity_id == azurerm_user_assigned_identity.app.id && contains(azurerm_linux_web_app.app.identity[0].identity_ids, azurerm_user_assigned_identity.app.id)
    error_message = "the app does not have the identity that reads the vault"
  }
  assert {
    condition     = contains([for policy in azurerm_key_vault.app.access_policy : policy.secret_permissions if policy.object_id == azurerm_user_assigned_identity.app.principal_id], tolist(["Get"]))
    error_message = "the identity may not read the vault's secrets, or may do more"
  }
  assert {
    condition     = alltrue([for secret in azurerm_key_vault_secret.app : secret.value == null]) && join(" ", keys(azurerm_key_vault_secret.app)) == "secret-key"
    error_message = "the key is in the state, or not alone in the vault"
  }
}

run "a_larger_sku_has_a_staging_slot_like_production" {
  variables {
    sku                      = "P0v3"
    models_share             = { account = "mymodels", name = "models" }
    models_share_key         = "a-key"
    prediction_log_share     = { account = "mymodels", name = "predictions" }
    prediction_log_share_key = "a-key"
    entra                    = { tenant_id = "11111111-2222-3333-4444-555555555555", client_id = "66666666-7777-8888-9999-aaaaaaaaaaaa" }
    entra_secret             = "a-secret"
  }

  # All that is written in main.tf; the other attributes are Azure's answers.
  assert {
    condition = nonsensitive(alltrue([
      for name in ["https_only", "client_affinity_enabled", "ftp_publish_basic_authentication_enabled", "webdeploy_publish_basic_authentication_enabled", "key_vault_reference_identity_id", "app_settings", "logs", "storage_account", "auth_settings_v2"] :
      jsonencode(azurerm_linux_web_app_slot.staging[0][name]) == jsonencode(azurerm_linux_web_app.app[name])
    ]))
    error_message = "the slot's settings differ from production's"
  }
  assert {
    condition     = azurerm_linux_web_app_slot.staging[0].identity[0].identity_ids == azurerm_linux_web_app.app.identity[0].identity_ids
    error_message = "the slot has another identity"
  }
  assert {
    condition = join(" ", [
      for name, value in azurerm_linux_web_app_slot.staging[0].site_config[0] : name
      if jsonencode(value) != jsonencode(try(azurerm_linux_web_app.app.site_config[0][name], null))
    ]) == "linux_fx_version scm_type" # which Azure answers
    error_message = "the slot's site_config differs from production's"
  }
  assert {
    condition     = join(" ", keys(azurerm_monitor_diagnostic_setting.app)) == "production staging"
    error_message = "not both have logs"
  }
  assert {
    condition     = output.staging_url != null && strcontains(output.commands.swap, "--slot staging")
    error_message = "nothing tells of the slot"
  }
}

run "staging_may_run_the_next_image" {
  variables {
    sku           = "S1"
    docker_image  = "user/lm-api:1.0.0"
    staging_image = "ghcr.io/user/lm-api:1.1.0"
  }

  assert {
    condition     = azurerm_linux_web_app.app.site_config[0].application_stack[0].docker_image_name == "user/lm-api:1.0.0" && azurerm_linux_web_app.app.site_config[0].application_stack[0].docker_registry_url == "https://index.docker.io"
    error_message = "production does not run docker_image of Docker Hub"
  }
  assert {
    condition     = azurerm_linux_web_app_slot.staging[0].site_config[0].application_stack[0].docker_image_name == "user/lm-api:1.1.0" && azurerm_linux_web_app_slot.staging[0].site_config[0].application_stack[0].docker_registry_url == "https://ghcr.io"
    error_message = "staging does not run staging_image of its registry"
  }
}

run "instances_scale_between_minimum_and_maximum" {
  variables {
    sku       = "P0v3"
    instances = { min = 2, max = 5 }
  }

  assert {
    condition     = azurerm_monitor_autoscale_setting.cpu[0].profile[0].capacity[0].minimum == 2 && azurerm_monitor_autoscale_setting.cpu[0].profile[0].capacity[0].maximum == 5
    error_message = "not between 2 and 5"
  }
  assert {
    condition     = azurerm_monitor_autoscale_setting.cpu[0].profile[0].rule[0].metric_trigger[0].threshold > 2 * azurerm_monitor_autoscale_setting.cpu[0].profile[0].rule[1].metric_trigger[0].threshold
    error_message = "going from 2 instances to 1 may bring the second back"
  }
}

run "own_registry_is_read_by_the_apps_identity" {
  variables {
    own_registry = true
    docker_image = "lm-api:1.0.0"
  }

  assert {
    condition     = azurerm_linux_web_app.app.site_config[0].application_stack[0].docker_registry_url == "https://crmyapp.azurecr.io" && azurerm_linux_web_app.app.site_config[0].application_stack[0].docker_image_name == "lm-api:1.0.0"
    error_message = "the image is not the own registry's"
  }
  assert {
    condition     = azurerm_linux_web_app.app.site_config[0].container_registry_use_managed_identity && azurerm_linux_web_app.app.site_config[0].container_registry_managed_identity_client_id == azurerm_user_assigned_identity.app.client_id
    error_message = "the app does not use its identity to pull"
  }
  assert {
    condition     = azurerm_role_assignment.pull[0].principal_id == azurerm_user_assigned_identity.app.principal_id && azurerm_role_assignment.pull[0].role_definition_name == "AcrPull"
    error_message = "the identity may not pull"
  }
  assert {
    condition     = !azurerm_container_registry.own[0].admin_enabled && strcontains(output.commands.push, "crmyapp.azurecr.io/lm-api:1.0.0")
    error_message = "an admin's password, or no command to push"
  }
}

run "no_registry_is_made_for_a_public_image" {
  assert {
    condition     = length(azurerm_role_assignment.pull) == 0 && !azurerm_linux_web_app.app.site_config[0].container_registry_use_managed_identity
    error_message = "a role or an identity for a registry that is not ours"
  }
}

run "models_share_is_mounted_where_the_app_reads" {
  variables {
    models_share     = { account = "mymodels", name = "models" }
    models_share_key = "a-key"
  }

  assert {
    condition     = one(azurerm_linux_web_app.app.storage_account[*].mount_path) == azurerm_linux_web_app.app.app_settings["LM_MODELS_DIR"]
    error_message = "not mounted, or elsewhere than LM_MODELS_DIR"
  }
}

run "the_app_verifies_models_and_cannot_sign_them" {
  assert {
    condition     = azurerm_linux_web_app.app.app_settings["LM_VERIFY_KEY"] == var.verify_key && !contains(keys(azurerm_linux_web_app.app.app_settings), "LM_SIGNING_KEY")
    error_message = "the app does not have the public key, or has a private one"
  }
}

run "without_keys_the_image_brings_its_own" {
  variables {
    verify_key = null
  }

  assert {
    condition     = !contains(keys(azurerm_linux_web_app.app.app_settings), "LM_VERIFY_KEY")
    error_message = "a key that nobody gave"
  }
}

run "without_a_share_the_models_are_the_images" {
  assert {
    condition     = length(azurerm_linux_web_app.app.storage_account) == 0 && !contains(keys(azurerm_linux_web_app.app.app_settings), "LM_MODELS_DIR")
    error_message = "a share, or a folder that is not there"
  }
}

run "settings_reach_the_app" {
  variables {
    settings = { LM_DEFAULT_MODEL = "mtcars" }
  }

  assert {
    condition     = azurerm_linux_web_app.app.app_settings["LM_DEFAULT_MODEL"] == "mtcars"
    error_message = "not set"
  }
}

run "traces_are_sent_to_application_insights" {
  assert {
    condition     = azurerm_linux_web_app.app.app_settings["APPLICATIONINSIGHTS_CONNECTION_STRING"] == azurerm_application_insights.app.connection_string
    error_message = "Application Insights gets nothing"
  }
}

run "what_is_not_chosen_is_not_set" {
  assert {
    condition = [
      for setting in ["LM_REQUIRED_MODELS", "LM_API_KEYS", "LM_RATE_LIMIT", "REDIS_URL", "LM_TRUSTED_PROXIES", "LM_PREDICTION_LOG", "LM_PREDICTION_LOG_DAYS", "MICROSOFT_PROVIDER_AUTHENTICATION_SECRET"] :
      setting if contains(keys(azurerm_linux_web_app.app.app_settings), setting)
    ] == []
    error_message = "something that nobody chose is set"
  }
  assert {
    condition     = azurerm_linux_web_app.app.app_settings["LOG_FORMAT"] == "json" && azurerm_linux_web_app.app.app_settings["LM_METRICS"] == "off"
    error_message = "the log is not JSON, or the metrics are open"
  }
  assert {
    condition     = length(azurerm_linux_web_app.app.auth_settings_v2) == 0
    error_message = "someone is asked who he is"
  }
}

run "what_operators_choose_reaches_the_app" {
  variables {
    required_models = ["mtcars", "height_weight"]
    log_format      = "text"
    metrics         = "key"
    api_keys        = "[lab]\nhash = \"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"\nmodels = [\"*\"]\nrights = [\"predict\"]\n"
    rate_limit      = "10/second,1000/hour"
    redis_url       = "rediss://:password@cache.example.org:6380"
    trusted_proxies = ["10.1.0.0/16", "192.0.2.7", "2001:db8::/32"]
  }

  assert {
    condition = { for setting in ["LM_REQUIRED_MODELS", "LOG_FORMAT", "LM_METRICS", "LM_RATE_LIMIT", "LM_TRUSTED_PROXIES"] : setting => azurerm_linux_web_app.app.app_settings[setting] } == {
      LM_REQUIRED_MODELS = "mtcars,height_weight"
      LOG_FORMAT         = "text"
      LM_METRICS         = "key"
      LM_RATE_LIMIT      = "10/second,1000/hour"
      LM_TRUSTED_PROXIES = "10.1.0.0/16,192.0.2.7,2001:db8::/32"
    }
    error_message = "not set as chosen"
  }
  assert {
    condition     = alltrue([for setting in ["LM_API_KEYS", "REDIS_URL"] : startswith(azurerm_linux_web_app.app.app_settings[setting], "@Microsoft.KeyVault(SecretUri=")])
    error_message = "a secret is in the app's settings"
  }
  assert {
    condition     = join(" ", keys(azurerm_key_vault_secret.app)) == "api-keys redis-url secret-key" && alltrue([for secret in azurerm_key_vault_secret.app : secret.value == null])
    error_message = "the secrets are not in the vault, or in the state"
  }
}

run "the_prediction_log_is_on_a_share_of_its_own" {
  variables {
    models_share             = { account = "mymodels", name = "models" }
    models_share_key         = "a-key"
    prediction_log_share     = { account = "mymodels", name = "predictions" }
    prediction_log_share_key = "another-key"
    prediction_log_days      = 30
  }

  assert {
    condition     = nonsensitive({ for share in azurerm_linux_web_app.app.storage_account : share.share_name => [share.mount_path, share.access_key] }) == { models = ["/models", "a-key"], predictions = ["/predictions", "another-key"] }
    error_message = "not both mounted, each by its key"
  }
  assert {
    condition     = azurerm_linux_web_app.app.app_settings["LM_PREDICTION_LOG"] == "/predictions" && azurerm_linux_web_app.app.app_settings["LM_MODELS_DIR"] == "/models" && azurerm_linux_web_app.app.app_settings["LM_PREDICTION_LOG_DAYS"] == "30"
    error_message = "the app does not log where the share is"
  }
}

run "entra_asks_before_the_app_but_not_the_probes" {
  variables {
    entra        = { tenant_id = "11111111-2222-3333-4444-555555555555", client_id = "66666666-7777-8888-9999-aaaaaaaaaaaa" }
    entra_secret = "a-secret"
  }

  assert {
    condition     = azurerm_linux_web_app.app.auth_settings_v2[0].auth_enabled && azurerm_linux_web_app.app.auth_settings_v2[0].require_authentication
    error_message = "nobody is asked"
  }
  assert {
    condition     = contains(azurerm_linux_web_app.app.auth_settings_v2[0].excluded_paths, azurerm_linux_web_app.app.site_config[0].health_check_path) && length(azurerm_linux_web_app.app.auth_settings_v2[0].excluded_paths) == 2
    error_message = "the health check is asked who it is, or more than probes is open"
  }
  assert {
    condition     = azurerm_linux_web_app.app.auth_settings_v2[0].active_directory_v2[0].tenant_auth_endpoint == "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0"
    error_message = "another tenant is asked"
  }
  assert {
    condition     = startswith(azurerm_linux_web_app.app.app_settings[azurerm_linux_web_app.app.auth_settings_v2[0].active_directory_v2[0].client_secret_setting_name], "@Microsoft.KeyVault(SecretUri=") && azurerm_key_vault_secret.app["entra-secret"].value == null
    error_message = "the client secret is not in the vault"
  }
}

run "names_in_all_of_azure_are_short_and_their_own" {
  variables {
    app_name = "a-very-long-name-for-an-app-that-serves-lms"
  }

  assert {
    condition     = can(regex("^kv-averylongnamef[0-9a-f]{6}$", azurerm_key_vault.app.name))
    error_message = "${azurerm_key_vault.app.name} is not a name for a vault"
  }
}

run "a_cluster_is_commands_only" {
  variables {
    models_share     = { account = "mymodels", name = "models" }
    models_share_key = "a-key"
    cluster          = { workers = 3, cpu = 2 }
  }
  assert {
    condition     = join(" ", keys(output.commands)) == "ask end_cluster logs start_scheduler start_workers upload_models use_cluster"
    error_message = "not the commands that start, use and end a cluster"
  }
  assert {
    condition     = alltrue([for name in ["start_scheduler", "start_workers"] : strcontains(output.commands[name], " --vnet vnet-my-app --subnet cluster ") && !strcontains(output.commands[name], "--ip-address Public")])
    error_message = "the cluster can be reached from elsewhere"
  }
  assert {
    condition     = strcontains(output.commands.start_scheduler, "dask scheduler --protocol tls") && strcontains(output.commands.start_workers, "seq 3") && strcontains(output.commands.start_workers, "--nworkers 2 --nthreads 1")
    error_message = "not TLS, or not the workers that were asked"
  }
  assert {
    condition     = !strcontains(join(" ", values(output.commands)), "a-key")
    error_message = "a secret in the output"
  }
}
