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
