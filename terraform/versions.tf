terraform {
  required_version = ">= 1.11" # write-only arguments, which keep the secret key out of the state

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 4.55"
    }
  }
}
