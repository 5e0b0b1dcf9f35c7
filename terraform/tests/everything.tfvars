# All options at once, for linters.
sku                      = "S1"
own_registry             = true
models_share             = { account = "mymodels", name = "models" }
models_share_key         = "a-key"
verify_key               = "MCowBQYDK2VwAyEAKYt7oy2rBbdM0mr+BN3poTj+RvT6QzZ3WDek3vuS1Ww="
required_models          = ["mtcars"]
log_format               = "json"
metrics                  = "key"
api_keys                 = "[lab]\nhash = \"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\""
rate_limit               = "100/minute"
redis_url                = "rediss://cache.example.org:6380"
trusted_proxies          = ["10.1.0.0/16"]
entra                    = { tenant_id = "11111111-2222-3333-4444-555555555555", client_id = "66666666-7777-8888-9999-aaaaaaaaaaaa" }
entra_secret             = "a-secret"
prediction_log_share     = { account = "mymodels", name = "predictions" }
prediction_log_share_key = "a-key"
prediction_log_days      = 30
cluster                  = { workers = 4 }
