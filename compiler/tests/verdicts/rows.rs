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
        match self.kind {
            Kind::Inline => build(&format!(
                "  provisioner \"shell-local\" {{\n    inline = [\"{text}\"]\n  }}"
            )),
            Kind::File => format!(
                "source \"file\" \"base\" {{\n  target = \"out\"\n  {text}\n}}\nbuild {{\n  sources = [\"source.file.base\"]\n}}\n"
            ),
            Kind::Build => build(text),
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
];
