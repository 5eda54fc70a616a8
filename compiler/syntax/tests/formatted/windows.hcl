source "amazon-ebs" "windows" {
  communicator   = "winrm"
  winrm_username = "Administrator"
  winrm_use_ssl  = true
  winrm_insecure = true
  winrm_timeout  = "15m"
  user_data      = <<-EOF
    <powershell>
    $cert = New-SelfSignedCertificate -DnsName "build" -CertStoreLocation 'Cert:\LocalMachine\My'
    winrm quickconfig -quiet
    Set-Item WSMan:\localhost\Service\AllowUnencrypted -Value $false
    foreach ($name in @("a", "b")) { Write-Host "name: $name, $($name.Length) 50%" }
    </powershell>
  EOF
}

build {
  sources = ["amazon-ebs.windows"]
  provisioner "powershell" {
    elevated_user     = "SYSTEM"
    elevated_password = ""
    inline = [
      "Install-WindowsFeature -Name Web-Server",
      "& 'C:\\Program Files\\tool\\tool.exe' /quiet",
      "if (!(Test-Path C:\\build)) { exit 1 }",
    ]
  }
  provisioner "windows-restart" {
    restart_check_command = "powershell -command \"& {Write-Output 'restarted.'}\""
  }
}
