old = "given"
older = 1
