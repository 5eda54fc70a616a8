e = "given file"
