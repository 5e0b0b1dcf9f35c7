# All options at once, for linters.
sku              = "S1"
own_registry     = true
models_share     = { account = "mymodels", name = "models" }
models_share_key = "a-key"
