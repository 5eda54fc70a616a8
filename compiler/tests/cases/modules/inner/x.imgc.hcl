output "word" {
  value = "inner"
}
