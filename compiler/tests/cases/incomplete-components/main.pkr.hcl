# The newest versions of these were not at hand for the catalogue: what is like nothing known may be new.
source "arm-image" "pi" {
  iso_url      = "https://images.example/pi.img.xz"
  iso_checksum = "none"
  sparkle      = "arm"
  quux {
    depth = 2
  }
}

# A slip all the same.
source "arm-image" "slip" {
  iso_url      = "https://images.example/pi.img.xz"
  iso_checksom = "none"
}
