variable "word" {
  default = "second"
}
