name = "site"
