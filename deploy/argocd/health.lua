-- Health of AdConversionEvents, GoogleAdsAccounts and HubSpotAccounts for Argo CD, by kstatus' rules.
local health = { status = "Progressing", message = "The operator has not looked at it yet." }
if obj.metadata ~= nil and obj.metadata.deletionTimestamp ~= nil then
  health.message = "It is being deleted."
end
local status = obj.status
if status == nil or status.observedGeneration == nil or status.observedGeneration ~= obj.metadata.generation then
  return health
end
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end
local blocked = conditions["DeletionBlocked"]
if blocked ~= nil and blocked.status == "True" then
  return { status = "Degraded", message = blocked.message }
end
if obj.metadata.deletionTimestamp ~= nil then
  return health
end
local stalled = conditions["Stalled"]
if stalled ~= nil and stalled.status == "True" then
  return { status = "Degraded", message = stalled.message }
end
if obj.spec ~= nil and obj.spec.suspend == true then
  return { status = "Suspended", message = "spec.suspend is true." }
end
local ready = conditions["Ready"]
if ready == nil then
  return health
end
if ready.status == "True" then
  return { status = "Healthy", message = ready.message }
end
local reconciling = conditions["Reconciling"]
if ready.status == "False" and reconciling ~= nil and reconciling.reason == "ProgressingWithRetry" then
  return { status = "Degraded", message = ready.message }
end
return { status = "Progressing", message = ready.message }
