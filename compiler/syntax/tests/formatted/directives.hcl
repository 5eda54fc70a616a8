locals {
  choice = "%{if var.debug}verbose%{else}quiet%{endif}"
  nested = "%{if var.a}a%{if var.b}b%{endif}%{endif}"
  list   = "%{for item in var.items}${item},%{endfor}"
  pairs  = "%{for key, value in var.map}${key}=${value};%{endfor}"
  tight  = "a %{~if var.a~} b %{~else~} c %{~endif~} d"

  config = <<-EOT
    server {
      %{for host in var.hosts~}
      server_name ${host};
      %{endfor~}
      %{if var.tls~}
      listen 443 ssl;
      %{else~}
      listen 80;
      %{endif~}
      location / { return 200 "%%{ not a directive } $${ not either }"; }
    }
  EOT

  hosts = <<EOT
%{for name, address in var.addresses}
${address} ${name}
%{endfor}
EOT
}
