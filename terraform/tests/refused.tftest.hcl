# What is refused, each by the variable that is wrong.

mock_provider "azurerm" {}

variables {
  app_name     = "my-app"
  docker_image = "docker.io/user/lm-api:1.0.0"
  secret_key   = "a-key-for-tests-a-key-for-tests-a-key-for-tests-a-key-for-tests"
  verify_key   = "MCowBQYDK2VwAyEAKYt7oy2rBbdM0mr+BN3poTj+RvT6QzZ3WDek3vuS1Ww="
}

run "an_empty_image" {
  command = plan
  variables {
    docker_image = ""
  }
  expect_failures = [var.docker_image]
}

run "an_image_without_a_tag" {
  command = plan
  variables {
    docker_image = "docker.io/user/lm-api"
  }
  expect_failures = [var.docker_image]
}

run "the_tag_latest" {
  command = plan
  variables {
    docker_image = "docker.io/user/lm-api:latest"
  }
  expect_failures = [var.docker_image]
}

run "an_image_of_elsewhere_with_the_own_registry" {
  command = plan
  variables {
    own_registry = true
  }
  expect_failures = [var.docker_image]
}

run "the_tag_latest_in_staging" {
  command = plan
  variables {
    sku           = "S1"
    staging_image = "user/lm-api:latest"
  }
  expect_failures = [var.staging_image]
}

run "a_staging_image_without_a_slot" {
  command = plan
  variables {
    staging_image = "user/lm-api:1.1.0"
  }
  expect_failures = [var.staging_image]
}

run "a_name_with_an_underscore" {
  command = plan
  variables {
    app_name = "my_app"
  }
  expect_failures = [var.app_name]
}

run "a_name_that_ends_with_a_hyphen" {
  command = plan
  variables {
    app_name = "my-app-"
  }
  expect_failures = [var.app_name]
}

run "a_name_of_one_letter" {
  command = plan
  variables {
    app_name = "a"
  }
  expect_failures = [var.app_name]
}

run "a_name_too_long_for_a_slot" {
  command = plan
  variables {
    sku      = "S1"
    app_name = "a-name-of-52-letters-is-too-long-for-a-staging-slot-"
  }
  expect_failures = [var.app_name]
}

run "an_unknown_sku" {
  command = plan
  variables {
    sku = "F1"
  }
  expect_failures = [var.sku]
}

run "a_location_with_blanks" {
  command = plan
  variables {
    location = "West Europe"
  }
  expect_failures = [var.location]
}

run "a_minimum_above_the_maximum" {
  command = plan
  variables {
    instances = { min = 4, max = 3 }
  }
  expect_failures = [var.instances]
}

run "half_an_instance" {
  command = plan
  variables {
    instances = { min = 0.5, max = 3 }
  }
  expect_failures = [var.instances]
}

run "a_short_secret_key" {
  command = plan
  variables {
    secret_key = "short"
  }
  expect_failures = [var.secret_key]
}

run "a_setting_that_is_the_modules" {
  command = plan
  variables {
    settings = { SECRET_KEY = "x" }
  }
  expect_failures = [var.settings]
}

run "a_share_without_its_key" {
  command = plan
  variables {
    models_share = { account = "mymodels", name = "models" }
  }
  expect_failures = [var.models_share_key]
}

run "a_share_without_a_key_that_verifies" {
  command = plan
  variables {
    models_share     = { account = "mymodels", name = "models" }
    models_share_key = "a-key"
    verify_key       = null
  }
  expect_failures = [var.models_share]
}

run "a_private_key_that_verifies" {
  command = plan
  variables {
    verify_key = "MC4CAQAwBQYDK2VwBCIEILzEPAofCBErdsWGZ8To0NYQWmWY4YYwndJpXLKpJz3c"
  }
  expect_failures = [var.verify_key]
}

run "a_private_key_in_the_settings" {
  command = plan
  variables {
    settings = { LM_SIGNING_KEY = "x" }
  }
  expect_failures = [var.settings]
}

run "a_setting_that_has_a_variable" {
  command = plan
  variables {
    settings = { LM_RATE_LIMIT = "1/day" }
  }
  expect_failures = [var.settings]
}

run "a_name_that_no_model_has" {
  command = plan
  variables {
    required_models = ["a model"]
  }
  expect_failures = [var.required_models]
}

run "an_unknown_form_of_the_log" {
  command = plan
  variables {
    log_format = "xml"
  }
  expect_failures = [var.log_format]
}

run "metrics_for_an_unknown_public" {
  command = plan
  variables {
    metrics = "on"
  }
  expect_failures = [var.metrics]
}

run "metrics_by_key_without_keys" {
  command = plan
  variables {
    metrics = "key"
  }
  expect_failures = [var.metrics]
}

run "api_keys_that_are_none" {
  command = plan
  variables {
    api_keys = "secret"
  }
  expect_failures = [var.api_keys]
}

run "an_api_key_in_place_of_its_hash" {
  command = plan
  variables {
    api_keys = "lm_lab_0123456789012345678901234567890123456789012 # \"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\""
  }
  expect_failures = [var.api_keys]
}

run "a_rate_without_its_time" {
  command = plan
  variables {
    rate_limit = "100"
  }
  expect_failures = [var.rate_limit]
}

run "a_rate_for_a_fortnight" {
  command = plan
  variables {
    rate_limit = "100/minute,1/fortnight"
  }
  expect_failures = [var.rate_limit]
}

run "a_redis_by_http" {
  command = plan
  variables {
    rate_limit = "100/minute"
    redis_url  = "https://cache.example.org"
  }
  expect_failures = [var.redis_url]
}

run "a_redis_with_nothing_to_count" {
  command = plan
  variables {
    redis_url = "redis://cache.example.org"
  }
  expect_failures = [var.redis_url]
}

run "a_proxy_by_name" {
  command = plan
  variables {
    trusted_proxies = ["proxy.example.org"]
  }
  expect_failures = [var.trusted_proxies]
}

run "everybody_as_a_proxy" {
  command = plan
  variables {
    trusted_proxies = ["0.0.0.0/0"]
  }
  expect_failures = [var.trusted_proxies]
}

run "an_entra_tenant_by_name" {
  command = plan
  variables {
    entra        = { tenant_id = "example.org", client_id = "66666666-7777-8888-9999-aaaaaaaaaaaa" }
    entra_secret = "a-secret"
  }
  expect_failures = [var.entra]
}

run "probes_that_entra_asks" {
  command = plan
  variables {
    entra        = { tenant_id = "11111111-2222-3333-4444-555555555555", client_id = "66666666-7777-8888-9999-aaaaaaaaaaaa", open_paths = ["/lm"] }
    entra_secret = "a-secret"
  }
  expect_failures = [var.entra]
}

run "an_entra_that_lets_all_in" {
  command = plan
  variables {
    entra        = { tenant_id = "11111111-2222-3333-4444-555555555555", client_id = "66666666-7777-8888-9999-aaaaaaaaaaaa", open_paths = ["/healthz", "/readyz", "/"] }
    entra_secret = "a-secret"
  }
  expect_failures = [var.entra]
}

run "an_entra_without_its_secret" {
  command = plan
  variables {
    entra = { tenant_id = "11111111-2222-3333-4444-555555555555", client_id = "66666666-7777-8888-9999-aaaaaaaaaaaa" }
  }
  expect_failures = [var.entra_secret]
}

run "a_prediction_log_without_its_key" {
  command = plan
  variables {
    prediction_log_share = { account = "mymodels", name = "predictions" }
  }
  expect_failures = [var.prediction_log_share_key]
}

run "a_prediction_log_among_the_models" {
  command = plan
  variables {
    models_share             = { account = "mymodels", name = "models" }
    models_share_key         = "a-key"
    prediction_log_share     = { account = "mymodels", name = "models" }
    prediction_log_share_key = "a-key"
  }
  expect_failures = [var.prediction_log_share]
}

run "half_a_day_of_predictions" {
  command = plan
  variables {
    prediction_log_share     = { account = "mymodels", name = "predictions" }
    prediction_log_share_key = "a-key"
    prediction_log_days      = 0.5
  }
  expect_failures = [var.prediction_log_days]
}

run "days_of_no_prediction_log" {
  command = plan
  variables {
    prediction_log_days = 30
  }
  expect_failures = [var.prediction_log_days]
}

run "a_cluster_without_data" {
  command = plan
  variables {
    cluster = { workers = 2 }
  }
  expect_failures = [var.cluster]
}

run "a_cluster_of_half_workers" {
  command = plan
  variables {
    models_share     = { account = "mymodels", name = "models" }
    models_share_key = "a-key"
    cluster          = { workers = 1.5 }
  }
  expect_failures = [var.cluster]
}

run "a_cluster_of_no_memory" {
  command = plan
  variables {
    models_share     = { account = "mymodels", name = "models" }
    models_share_key = "a-key"
    cluster          = { workers = 1, memory = 0 }
  }
  expect_failures = [var.cluster]
}
