locals {
  url = "https://${azurerm_linux_web_app.app.default_hostname}"
  app = "--resource-group ${azurerm_resource_group.app.name} --name ${var.app_name}"
}

output "url" {
  description = "Where the app answers."
  value       = local.url
}

output "docs_url" {
  description = "Its API, to read and to try."
  value       = "${local.url}/lm/api/docs"
}

output "staging_url" {
  description = "Where the staging slot answers; null where the sku has none."
  value       = one([for slot in azurerm_linux_web_app_slot.staging : "https://${slot.default_hostname}"])
}

output "commands" {
  description = "The commands that come next; docs/deploy.md says when."
  value = merge(
    {
      ask  = "curl ${local.url}/lm/api/predict/29.5"
      logs = "az webapp log tail ${local.app}"
    },
    local.scales ? {
      swap = "az webapp deployment slot swap ${local.app} --slot staging"
    } : {},
    var.own_registry ? {
      login = "az acr login --name ${azurerm_container_registry.own[0].name}"
      push  = "docker tag ${var.docker_image} ${azurerm_container_registry.own[0].login_server}/${var.docker_image} && docker push ${azurerm_container_registry.own[0].login_server}/${var.docker_image} && az webapp restart ${local.app}"
    } : {},
    var.models_share == null ? {} : {
      upload_models = "az storage file upload-batch --account-name ${var.models_share.account} --destination ${var.models_share.name} --source extra_files --account-key \"$TF_VAR_models_share_key\""
    },
  )
}
