from_file = "hunter7"
