region = [
list = ["x"]
