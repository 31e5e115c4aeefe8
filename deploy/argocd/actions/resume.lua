-- As `adconversion resume`.
obj.spec.suspend = false
return obj
