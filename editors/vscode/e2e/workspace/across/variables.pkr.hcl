variable "greeting" {
  type    = string
  default = "Hello"
}
