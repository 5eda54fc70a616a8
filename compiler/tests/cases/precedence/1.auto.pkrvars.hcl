c = "first auto file"
d = "first auto file"
e = "first auto file"
