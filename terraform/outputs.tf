locals {
  url = "https://${azurerm_linux_web_app.app.default_hostname}"
  app = "--resource-group ${azurerm_resource_group.app.name} --name ${var.app_name}"

  # Container groups in one subnet, which reach each other and nobody else. Each has cert.pem, key.pem and dask.yaml.
  cluster = var.cluster == null ? {} : {
    start_scheduler = "${local.start_group} --name scheduler --command-line \"python -m dask scheduler --protocol tls --port 8786 --no-dashboard\""
    start_workers   = "for n in $(seq ${var.cluster.workers}); do ${local.start_group} --name worker-$n --no-wait --command-line \"python -m dask worker tls://$(az container show ${local.group} --name scheduler --query ipAddress.ip --output tsv):8786 --nworkers ${var.cluster.cpu} --nthreads 1 --no-dashboard\"; done"
    use_cluster     = "az container exec ${local.group} --name scheduler --exec-command bash"
    end_cluster     = "for group in scheduler $(seq -f worker-%g ${var.cluster.workers}); do az container delete --yes ${local.group} --name $group; done"
  }
  group = "--resource-group ${azurerm_resource_group.app.name}"
  start_group = join(" ", [
    "az container create ${local.group} --image ${local.cluster_image} --os-type Linux --restart-policy Never",
    "--cpu ${try(var.cluster.cpu, 1)} --memory ${try(var.cluster.memory, 2)} --vnet vnet-${var.app_name} --subnet cluster",
    "--secrets cert.pem=\"$(cat cert.pem)\" key.pem=\"$(cat key.pem)\" dask.yaml=\"$(cat dask.yaml)\" --secrets-mount-path /certs",
    "--environment-variables DASK_CONFIG=/certs/dask.yaml LM_MODELS_DIR=/models LM_VERIFY_KEY=${coalesce(var.verify_key, "none")}",
    "--secure-environment-variables $(grep -E '^(SECRET_KEY|LM_SIGNING_KEY)=' .env)",
    "--azure-file-volume-account-name ${try(var.models_share.account, "")} --azure-file-volume-share-name ${try(var.models_share.name, "")}",
    "--azure-file-volume-account-key \"$TF_VAR_models_share_key\" --azure-file-volume-mount-path /models",
    var.own_registry ? "--acr-identity ${azurerm_user_assigned_identity.app.id} --assign-identity ${azurerm_user_assigned_identity.app.id}" : "",
  ])
  cluster_image = var.own_registry ? "${azurerm_container_registry.own[0].login_server}/${var.docker_image}" : var.docker_image
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
    local.cluster,
  )
}
