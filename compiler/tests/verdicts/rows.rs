//! Templates in HCL with Packer's verdict on each.

/// A template.
pub(crate) struct Row {
    /// Where `text` stands.
    kind: Kind,
    text: &'static str,
    /// Whether Packer 1.6.6 takes it.
    pub(crate) packer: bool,
    /// Whether imgc gives the same verdict.
    pub(crate) same: Same,
}

/// Whether imgc's verdict is Packer's.
pub(crate) enum Same {
    Yes,
    /// Why not.
    #[expect(dead_code, reason = "the reason is for the reader")]
    No(&'static str),
}

#[derive(Clone, Copy)]
enum Kind {
    /// An element of a `shell-local` provisioner's `inline`, as it is between the quotes.
    Inline,
    /// The attributes of a `file` builder.
    File,
    /// Inside of a build.
    Build,
    /// The attributes of a `null` builder.
    Null,
    /// What a `qemu` builder has besides what it must have, its checksum included.
    Qemu,
    /// What a `virtualbox-iso` builder has besides what it must have.
    Box,
    /// The whole rest of a template.
    Top,
}

impl Row {
    /// The whole template.
    pub(crate) fn template(&self) -> String {
        let text = self.text;
        let build = |inner: &str| {
            format!(
                "source \"null\" \"base\" {{\n  communicator = \"none\"\n}}\nbuild {{\n  sources = [\"source.null.base\"]\n{inner}\n}}\n"
            )
        };
        let source = |ty: &str, inner: &str| {
            format!(
                "source \"{ty}\" \"base\" {{\n  {inner}\n}}\nbuild {{\n  sources = [\"source.{ty}.base\"]\n}}\n"
            )
        };
        match self.kind {
            Kind::Inline => build(&format!(
                "  provisioner \"shell-local\" {{\n    inline = [\"{text}\"]\n  }}"
            )),
            Kind::File => source("file", &format!("target = \"out\"\n  {text}")),
            Kind::Build => build(text),
            Kind::Null => source("null", text),
            Kind::Qemu => {
                let checksum = match text.contains("iso_checksum") {
                    true => "",
                    false => "\n  iso_checksum = \"none\"",
                };
                let must = "iso_url = \"http://x/y.iso\"\n  ssh_username = \"u\"";
                source("qemu", &format!("{must}{checksum}\n  {text}"))
            }
            Kind::Box => {
                let must = "iso_url = \"http://x/y.iso\"\n  ssh_username = \"u\"\n  iso_checksum = \"none\"";
                source("virtualbox-iso", &format!("{must}\n  {text}"))
            }
            Kind::Top => format!("{text}\n{}", build("")),
        }
    }
}

const fn row(kind: Kind, packer: bool, text: &'static str) -> Row {
    Row {
        kind,
        text,
        packer,
        same: Same::Yes,
    }
}

const fn other(kind: Kind, packer: bool, why: &'static str, text: &'static str) -> Row {
    Row {
        same: Same::No(why),
        ..row(kind, packer, text)
    }
}

const I: Kind = Kind::Inline;
const F: Kind = Kind::File;
const B: Kind = Kind::Build;
const N: Kind = Kind::Null;
const Q: Kind = Kind::Qemu;
const V: Kind = Kind::Box;
const T: Kind = Kind::Top;

/// All of them.
pub(crate) const ROWS: &[Row] = &[
    // Go templates.
    row(I, false, "echo {{timestampp}}"),
    row(I, true, "echo {{timestamp}} {{ isotime `2006` | upper }}"),
    row(
        I,
        true,
        "docker ps --format '{{.Names}}' {{ range .X }}{{.}}{{ end }}",
    ),
    row(I, false, "docker ps --format '{{json .}}'"),
    row(I, true, "docker ps --format '{{ `{{json .}}` }}'"),
    row(I, false, "{{"),
    row(I, true, "}} ${1} { {"),
    row(I, false, "{{ }}"),
    row(I, false, "{{ if eq build_name `base` }}x"),
    row(I, false, "{{ end }}"),
    row(I, false, "{{ item.name }}"),
    row(I, false, "{{ $x }}"),
    row(
        I,
        true,
        "{{ range $i, $e := .X }}{{ $i }}{{ $e.Y }}{{ end }}",
    ),
    row(I, false, "{{ .A. }}"),
    row(I, false, "{{ 1a }}"),
    row(I, false, "{{ upper`a` }}"),
    row(I, false, "{{ item['x'] }}"),
    row(I, false, "{{ env `HOME` }}"),
    row(I, false, "{{ vault `a` `b` }}"),
    row(I, false, "{{ upper }}"),
    row(I, false, "{{ upper 1 }}"),
    row(I, false, "{{ replace `a` `b` `c` 1 }}"),
    row(I, false, "{{ split `a-b` `-` build_name }}"),
    row(I, true, "{{ println 1 | upper }} {{ split `a-b` `-` 1 }}"),
    row(I, false, "{{ sed `s/a/b/` `c` }}"),
    row(F, true, "content = \"{{build_name}} {{build_type}}\""),
    row(F, false, "content = \"{{ build `ID` }}\""),
    row(F, false, "content = \"{{ clean_ami_name `x` }}\""),
    other(
        F,
        false,
        "every component has the function",
        "content = \"{{ clean_resource_name `x` }}\"",
    ),
    row(F, false, "content = <<-EOT\n    a\n    {{ foo }}\n  EOT"),
    row(
        B,
        false,
        "  provisioner \"shell\" {\n    inline = [\"x\"]\n    execute_command = \"{{ Path }}\"\n  }",
    ),
    row(
        B,
        true,
        "  provisioner \"shell\" {\n    inline = [\"x\"]\n    execute_command = \"{{ .Vars }} {{ .Nothing }} {{.Path}}\"\n  }",
    ),
    row(
        B,
        false,
        "  post-processor \"manifest\" {\n    custom_data = {\n      a = \"{{ foo }}\"\n    }\n  }",
    ),
    row(
        B,
        false,
        "  post-processor \"checksum\" {\n    output = \"{{ .BuildName }\"\n  }",
    ),
    // A machine that is there.
    row(N, false, "ssh_host = \"h\""),
    row(N, false, "ssh_host = \"h\"\n  ssh_username = \"u\""),
    row(N, false, "ssh_host = \"h\"\n  ssh_password = \"p\""),
    row(
        N,
        true,
        "ssh_host = \"h\"\n  ssh_username = \"u\"\n  ssh_password = \"p\"",
    ),
    row(
        N,
        true,
        "ssh_host = \"h\"\n  ssh_username = \"u\"\n  ssh_agent_auth = true",
    ),
    row(
        N,
        false,
        "ssh_host = \"h\"\n  ssh_username = \"u\"\n  ssh_agent_auth = false",
    ),
    row(
        N,
        false,
        "communicator = \"winrm\"\n  winrm_host = \"h\"\n  winrm_username = \"u\"",
    ),
    row(
        N,
        true,
        "communicator = \"winrm\"\n  winrm_host = \"h\"\n  winrm_username = \"u\"\n  winrm_password = \"p\"",
    ),
    row(N, false, ""),
    row(N, true, "communicator = \"none\""),
    // Checksums.
    row(Q, true, "iso_checksum = \"none\""),
    row(
        Q,
        true,
        "iso_checksum = \"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"",
    ),
    row(
        Q,
        true,
        "iso_checksum = \"SHA256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855\"",
    ),
    row(
        Q,
        true,
        "iso_checksum = \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"",
    ),
    row(Q, false, "iso_checksum = \"sha256:abc\""),
    row(Q, false, "iso_checksum = \"abc\""),
    row(Q, false, "iso_checksum = \"NONE\""),
    row(Q, false, "iso_checksum = \"none:x\""),
    row(Q, false, "iso_checksum = \"sha512\""),
    row(Q, false, "iso_checksum = \"foo:abcd\""),
    row(Q, false, "iso_checksum = \"file:\""),
    row(Q, false, "iso_checksum = \"md5:zz\""),
    row(
        Q,
        false,
        "iso_checksum = \"sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"",
    ),
    other(
        Q,
        false,
        "older templates give its kind elsewhere",
        "iso_checksum = \"abcd\"",
    ),
    // Sizes.
    row(Q, true, "disk_size = \"10G\""),
    row(Q, true, "disk_size = \"10g\""),
    row(Q, true, "disk_size = \"10\""),
    row(Q, true, "disk_size = 1024"),
    row(Q, true, "disk_size = \"\""),
    row(Q, false, "disk_size = \"10X\""),
    row(Q, false, "disk_size = \"10GB\""),
    row(Q, false, "disk_size = \"1.5G\""),
    row(Q, false, "disk_size = \"-1\""),
    row(Q, false, "disk_size = \"10 G\""),
    row(Q, false, "disk_size = \"10KiB\""),
    // Ranges of ports.
    row(Q, true, "vnc_port_min = 5900\n  vnc_port_max = 5999"),
    row(Q, false, "vnc_port_min = 6000\n  vnc_port_max = 5900"),
    row(Q, false, "vnc_port_max = 5000"),
    row(Q, true, "vnc_port_min = 6000"),
    row(Q, true, "vnc_port_min = 5900\n  vnc_port_max = 5900"),
    row(Q, false, "host_port_min = 4444\n  host_port_max = 2222"),
    row(Q, false, "host_port_min = 5000"),
    row(V, true, "vrdp_port_min = 5900\n  vrdp_port_max = 5999"),
    row(V, false, "vrdp_port_min = 6000\n  vrdp_port_max = 5900"),
    row(V, false, "vrdp_port_max = 5000"),
    row(V, true, "vrdp_port_min = 6000"),
    row(V, true, "vrdp_port_min = 5900\n  vrdp_port_max = 5900"),
    row(V, false, "host_port_min = 4444\n  host_port_max = 2222"),
    row(V, false, "host_port_min = 5000"),
    row(Q, false, "http_port_max = 5000"),
    row(Q, true, "vnc_port_min = 0\n  vnc_port_max = 0"),
    // Values.
    row(Q, false, "format = \"foo\""),
    row(Q, false, "accelerator = \"foo\""),
    row(Q, false, "disk_interface = \"foo\""),
    row(Q, false, "disk_cache = \"foo\""),
    row(Q, false, "disk_discard = \"foo\""),
    row(Q, false, "disk_detect_zeroes = \"foo\""),
    row(
        Q,
        true,
        "format = \"raw\"\n  accelerator = \"hvf\"\n  disk_interface = \"virtio-scsi\"\n  disk_cache = \"unsafe\"\n  disk_discard = \"unmap\"\n  disk_detect_zeroes = \"on\"",
    ),
    row(V, false, "guest_additions_mode = \"foo\""),
    row(V, false, "sata_port_count = 100"),
    row(V, false, "nvme_port_count = 300"),
    row(V, false, "cpus = -1"),
    row(V, false, "memory = -1"),
    row(V, false, "disk_size = -5"),
    row(
        V,
        true,
        "guest_additions_mode = \"attach\"\n  sata_port_count = 30\n  cpus = 2",
    ),
    // Messages of rules.
    row(
        T,
        true,
        "variable \"x\" {\n  default = \"a\"\n  validation {\n    condition     = length(var.x) > 0\n    error_message = \"The x.\"\n  }\n}",
    ),
    row(
        T,
        false,
        "variable \"x\" {\n  default = \"a\"\n  validation {\n    condition     = length(var.x) > 0\n    error_message = \"the x.\"\n  }\n}",
    ),
    row(
        T,
        false,
        "variable \"x\" {\n  default = \"a\"\n  validation {\n    condition     = length(var.x) > 0\n    error_message = \"The x\"\n  }\n}",
    ),
    row(
        T,
        true,
        "variable \"x\" {\n  default = \"a\"\n  validation {\n    condition     = length(var.x) > 0\n    error_message = \"The x?\"\n  }\n}",
    ),
    row(
        T,
        true,
        "variable \"x\" {\n  default = \"a\"\n  validation {\n    condition     = length(var.x) > 0\n    error_message = \"The x!\"\n  }\n}",
    ),
    row(
        T,
        false,
        "variable \"x\" {\n  default = \"a\"\n  validation {\n    condition     = length(var.x) > 0\n    error_message = \"\"\n  }\n}",
    ),
    row(
        T,
        true,
        "variable \"x\" {\n  default = \"a\"\n  validation {\n    condition     = length(var.x) > 0\n    error_message = \"The x. \"\n  }\n}",
    ),
    row(
        T,
        true,
        "variable \"x\" {\n  default = \"a\"\n  validation {\n    condition     = length(var.x) > 0\n    error_message = \"1 is bad.\"\n  }\n}",
    ),
    row(
        T,
        false,
        "variable \"x\" {\n  default = \"a\"\n  validation {\n    condition     = length(var.x) > 0\n    error_message = \"The x:\"\n  }\n}",
    ),
    row(
        T,
        true,
        "variable \"x\" {\n  default = \"a\"\n  validation {\n    condition     = length(var.x) > 0\n    error_message = \".\"\n  }\n}",
    ),
    row(
        T,
        true,
        "variable \"x\" {\n  default = \"a\"\n  validation {\n    condition     = length(var.x) > 0\n    error_message = \"(X).\"\n  }\n}",
    ),
    row(
        T,
        false,
        "variable \"x\" {\n  default = \"a\"\n  validation {\n    condition     = length(var.x) > 0\n    error_message = \"A\"\n  }\n}",
    ),
    // Defaults.
    other(
        T,
        false,
        "a default may use other variables, as in legacy templates",
        "variable \"a\" {\n  default = \"x\"\n}\nvariable \"b\" {\n  default = var.a\n}",
    ),
    other(
        T,
        false,
        "a default may call functions, as in newer versions of Packer",
        "variable \"b\" {\n  default = upper(\"x\")\n}",
    ),
    row(T, true, "variable \"b\" {\n  default = env(\"HOME\")\n}"),
];
