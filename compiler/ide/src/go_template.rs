//! Names in `{{ … }}` inside of strings: what components give to the templates in their options.

/// The fields of a component's option, without their dots.
pub(crate) fn fields(component: &str, option: &str) -> Vec<&'static str> {
    const TABLE: &[(&str, &str, &[&str])] = &[
        ("shell", "execute_command", &["EnvVarFile", "Path", "Vars"]),
        (
            "shell-local",
            "execute_command",
            &["Command", "Script", "Vars"],
        ),
        ("powershell", "execute_command", &["Path", "Vars"]),
        ("powershell", "elevated_execute_command", &["Path", "Vars"]),
        ("windows-shell", "execute_command", &["Path", "Vars"]),
        ("ansible-local", "command", &[]),
        (
            "chef-client",
            "execute_command",
            &["ConfigPath", "JsonPath", "Sudo"],
        ),
        (
            "chef-solo",
            "execute_command",
            &["ConfigPath", "JsonPath", "Sudo"],
        ),
        (
            "puppet-masterless",
            "execute_command",
            &[
                "FacterVars",
                "HieraConfigPath",
                "ManifestDir",
                "ManifestFile",
                "ModulePath",
                "Options",
                "PuppetBinDir",
                "Sudo",
                "WorkingDir",
            ],
        ),
        (
            "puppet-server",
            "execute_command",
            &[
                "ClientCertPath",
                "ClientPrivateKeyPath",
                "FacterVars",
                "Options",
                "PuppetBinDir",
                "PuppetNode",
                "PuppetServer",
                "Sudo",
                "WorkingDir",
            ],
        ),
        (
            "checksum",
            "output",
            &["BuildName", "BuilderType", "ChecksumType"],
        ),
        ("compress", "output", &["BuildName", "BuilderType"]),
        (
            "vagrant",
            "output",
            &["ArtifactId", "BuildName", "Provider"],
        ),
        (
            "qemu",
            "qemuargs",
            &["HTTPIP", "HTTPPort", "Name", "OutputDir", "SSHHostPort"],
        ),
    ];
    let exact = TABLE
        .iter()
        .find(|(of, name, _)| *of == component && *name == option);
    if let Some((_, _, fields)) = exact {
        return fields.to_vec();
    }
    match option {
        "boot_command" => vec!["HTTPIP", "HTTPPort", "Name", "SSHPublicKey", "Vars"],
        "tags" | "run_tags" | "run_volume_tags" | "snapshot_tags" | "ami_description"
            if component.starts_with("amazon-") =>
        {
            vec![
                "BuildRegion",
                "SourceAMI",
                "SourceAMICreationDate",
                "SourceAMIName",
                "SourceAMIOwner",
                "SourceAMIOwnerName",
                "SourceAMITags",
            ]
        }
        _ => Vec::new(),
    }
}

/// Functions: the name, whether only templates from before HCL have it, what it gives.
pub(crate) const FUNCTIONS: &[(&str, bool, &str)] = &[
    ("build", false, "a value of the build that runs"),
    ("build_name", false, "the build's name"),
    ("build_type", false, "the builder's type"),
    (
        "clean_resource_name",
        false,
        "a name without characters that clouds refuse",
    ),
    ("consul_key", true, "a key of Consul's store"),
    ("env", true, "an environment variable"),
    ("isotime", false, "the time, in a form"),
    ("lower", false, "in small letters"),
    ("packer_version", false, "the version of Packer"),
    ("pwd", false, "the working directory"),
    ("replace", false, "a text with parts replaced"),
    ("replace_all", false, "a text with all parts replaced"),
    ("split", false, "a part of a text"),
    ("strftime", false, "the time, in a form"),
    ("template_dir", false, "the template's directory"),
    ("timestamp", false, "seconds since 1970"),
    ("upper", false, "in capitals"),
    ("user", true, "a variable"),
    ("uuid", false, "a random identifier"),
    ("vault", true, "a secret in Vault"),
];
