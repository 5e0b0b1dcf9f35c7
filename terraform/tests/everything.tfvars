# All options at once, for linters.
sku              = "S1"
own_registry     = true
models_share     = { account = "mymodels", name = "models" }
models_share_key = "a-key"
verify_key       = "MCowBQYDK2VwAyEAKYt7oy2rBbdM0mr+BN3poTj+RvT6QzZ3WDek3vuS1Ww="
