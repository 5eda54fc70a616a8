d = "second auto file"
