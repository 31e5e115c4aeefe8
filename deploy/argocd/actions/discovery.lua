-- What people may do with AdConversionEvents, GoogleAdsAccounts and HubSpotAccounts in Argo CD.
local suspended = obj.spec ~= nil and obj.spec.suspend == true
local actions = {}
actions["suspend"] = { disabled = suspended }
actions["resume"] = { disabled = not suspended }
actions["reconcile"] = { disabled = false }
return actions
