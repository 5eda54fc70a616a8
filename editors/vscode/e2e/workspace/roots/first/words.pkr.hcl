variable "word" {
  default = "first"
}
