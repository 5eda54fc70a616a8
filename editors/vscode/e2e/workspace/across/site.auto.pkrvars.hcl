greeting = "Good morning"
