-- As `adconversion suspend`: conversions wait until it is resumed.
obj.spec.suspend = true
return obj
