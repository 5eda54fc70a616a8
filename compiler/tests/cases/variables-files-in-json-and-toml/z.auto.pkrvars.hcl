a = "from HCL"
b = "from HCL"
c = [1]
