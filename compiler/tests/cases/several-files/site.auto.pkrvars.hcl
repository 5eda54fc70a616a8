user = "admin"
