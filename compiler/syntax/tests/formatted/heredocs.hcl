locals {
  plain    = <<EOF
first line
  second line keeps its indentation
"quotes" and \backslashes\ stay
EOF
  dedented = <<-EOF
    #!/bin/sh
    set -eu
    if [ -n "$${HOME}" ]; then
      echo "${var.greeting}, $USER costs 100%"
    fi

    exit 0
  EOF
  empty    = <<NOTHING
NOTHING
  in_list = [<<ONE
a
ONE
    , <<TWO
b
TWO
  ]
  in_call = trimspace(<<-TEXT
    trimmed
  TEXT
  )
  json = jsonencode({
    script = <<-SH
      echo ${join(" ", [for word in var.words : "<${word}>"])}
    SH
    next   = 1
  })
}

build {
  provisioner "shell" {
    inline = [<<-EOS
      cat > /etc/motd <<'MOTD'
      Welcome to ${source.name}
      MOTD
      EOS
    ]
  }
}
