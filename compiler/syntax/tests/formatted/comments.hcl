# hash
// slashes
/* block */
/*
 * several
 * lines
 */

variable "a" {                  # after the brace
  type                 = string // after a value
  /* before */ default = /* between */ "x" /* after */
  # last in the block
}

locals { // here too
  list = [
    # first
    1, # one
    /* two follows */ 2,
    3 // no comma
    # end
  ]
  map = {
    # a comment before the key
    a = 1 # after

    // another
    b = 2, /* after the comma */
  }
  text = "# not a comment // nor this /* nor that */"
}
# at the end
