//! Templates with Packer's verdict on each.

/// A template.
pub(crate) struct Row {
    /// Where `text` stands.
    kind: Kind,
    text: &'static str,
    /// `-var`s, parted by `;`; a word that begins with `@` is a file for `-var-file`.
    given: &'static str,
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
    Template,
    Builder,
    Provisioner,
    PostProcessor,
    Variables,
}

/// A file of values.
pub(crate) const VALUES: &str = r#"{ "from_file": "{{user `a`}}" }"#;

impl Row {
    /// The whole template.
    pub(crate) fn template(&self) -> String {
        let text = self.text;
        let null = r#""builders": [{"type": "null", "communicator": "none"}]"#;
        match self.kind {
            Kind::Template => text.to_owned(),
            Kind::Builder => format!(r#"{{"builders": [{text}]}}"#),
            Kind::Provisioner => format!(r#"{{{null}, "provisioners": [{text}]}}"#),
            Kind::PostProcessor => format!(r#"{{{null}, "post-processors": [{text}]}}"#),
            Kind::Variables => format!(r#"{{{null}, "variables": {text}}}"#),
        }
    }

    /// What `-var` gives.
    pub(crate) fn vars(&self) -> impl Iterator<Item = &'static str> {
        let words = self.given.split(';').filter(|word| !word.is_empty());
        words.filter(|word| !word.starts_with('@'))
    }

    /// What `-var-file` names.
    pub(crate) fn files(&self) -> impl Iterator<Item = &'static str> {
        self.given
            .split(';')
            .filter_map(|word| word.strip_prefix('@'))
    }
}

const fn row(kind: Kind, packer: bool, text: &'static str) -> Row {
    Row {
        kind,
        text,
        given: "",
        packer,
        same: Same::Yes,
    }
}

const fn given(kind: Kind, packer: bool, given: &'static str, text: &'static str) -> Row {
    Row {
        given,
        ..row(kind, packer, text)
    }
}

const fn other(kind: Kind, packer: bool, why: &'static str, text: &'static str) -> Row {
    Row {
        same: Same::No(why),
        ..row(kind, packer, text)
    }
}

const T: Kind = Kind::Template;
const B: Kind = Kind::Builder;
const P: Kind = Kind::Provisioner;
const PP: Kind = Kind::PostProcessor;
const V: Kind = Kind::Variables;

/// All of them.
pub(crate) const ROWS: &[Row] = &[
    // The top.
    row(
        T,
        true,
        r#"{"_comment": "x", "builders": [{"type": "null", "communicator": "none"}]}"#,
    ),
    row(
        T,
        false,
        r#"{"_comment": ["x"], "builders": [{"type": "null", "communicator": "none"}]}"#,
    ),
    row(
        T,
        true,
        r#"{"comments": [{"a": "b"}], "push": {"name": "x"}, "builders": [{"type": "null", "communicator": "none"}]}"#,
    ),
    row(
        T,
        false,
        r#"{"comment": "x", "builders": [{"type": "null", "communicator": "none"}]}"#,
    ),
    row(
        T,
        true,
        r#"{"Builders": [{"type": "null", "communicator": "none"}]}"#,
    ),
    row(
        T,
        true,
        r#"{"builders": [{"type": "null", "communicator": "none"}], "provisioners": null, "variables": null, "post-processors": null}"#,
    ),
    row(T, false, r#"{"builders": []}"#),
    row(
        T,
        false,
        r#"{"provisioners": [{"type": "shell-local", "inline": "true"}]}"#,
    ),
    row(
        T,
        false,
        r#"{"builders": {"type": "null", "communicator": "none"}}"#,
    ),
    row(
        T,
        false,
        r#"{"description": 1, "builders": [{"type": "null", "communicator": "none"}]}"#,
    ),
    row(
        T,
        true,
        r#"{"min_packer_version": "1.0.0", "builders": [{"type": "null", "communicator": "none"}]}"#,
    ),
    row(
        T,
        false,
        r#"{"min_packer_version": "9.0.0", "builders": [{"type": "null", "communicator": "none"}]}"#,
    ),
    row(
        T,
        false,
        r#"{"min_packer_version": "abc", "builders": [{"type": "null", "communicator": "none"}]}"#,
    ),
    row(
        T,
        false,
        r#"{"variables": {"a": "1"}, "variables": {"b": "2"}, "builders": [{"type": "null", "communicator": "none"}]}"#,
    ),
    row(
        T,
        true,
        r#"{"error-cleanup-provisioner": {"type": "shell-local", "inline": "true"}, "builders": [{"type": "null", "communicator": "none"}]}"#,
    ),
    row(
        T,
        false,
        r#"{"error-cleanup-provisioner": [{"type": "shell-local", "inline": "true"}], "builders": [{"type": "null", "communicator": "none"}]}"#,
    ),
    row(
        T,
        true,
        r#"{"variables": {"a": "x"}, "sensitive-variables": ["a", "zz"], "builders": [{"type": "null", "communicator": "none"}]}"#,
    ),
    row(
        T,
        false,
        r#"{"variables": {"a": "x"}, "sensitive-variables": "a", "builders": [{"type": "null", "communicator": "none"}]}"#,
    ),
    other(
        T,
        false,
        "a comma too many is a warning with a fix",
        r#"{"builders": [{"type": "null", "communicator": "none"}],}"#,
    ),
    // Variables.
    row(
        V,
        true,
        r#"{"a": "1", "b": "x{{user `a`}}", "c": "{{env `HOME`}}"}"#,
    ),
    other(
        V,
        false,
        "numbers and truth values become texts",
        r#"{"a": 3, "b": true}"#,
    ),
    row(V, false, r#"{"a": ["x"]}"#),
    row(V, false, r#"{"a": {"x": "y"}}"#),
    row(V, false, r#"{"a": null}"#),
    given(V, true, "a=", r#"{"a": null}"#),
    given(V, true, "undeclared=1", r#"{}"#),
    given(V, true, "b={{user `a`}}", r#"{"a": "1", "b": "2"}"#),
    given(V, true, "@values.json", r#"{"a": "1", "from_file": ""}"#),
    row(V, false, r#"{"a": "{{user `nope`}}"}"#),
    given(V, true, "nope=1", r#"{"a": "{{user `nope`}}"}"#),
    row(V, false, r#"{"a": "{{user `b`}}", "b": "{{user `a`}}"}"#),
    row(V, false, r#"{"a": "{{build_name}}"}"#),
    row(V, false, r#"{"a": "{{build `ID`}}"}"#),
    other(
        V,
        false,
        "the version is known there as well",
        r#"{"a": "{{packer_version}}"}"#,
    ),
    other(
        V,
        false,
        "the template engine renders it where the variable is used",
        r#"{"a": "{{clean_resource_name `x`}}"}"#,
    ),
    row(
        V,
        true,
        r#"{"a-b": "1", "c d": "2", "e.f": "{{user `c d`}}"}"#,
    ),
    // Builders.
    row(
        B,
        true,
        r#"{"type": "null", "communicator": "none", "name": "a.b {{user `x`}}"}"#,
    ),
    row(
        B,
        false,
        r#"{"type": "null", "communicator": "none", "name": "n-{{build_type}}"}"#,
    ),
    row(
        B,
        false,
        r#"{"type": "null", "communicator": "none"}, {"type": "null", "communicator": "none"}"#,
    ),
    row(B, false, r#"{"communicator": "none"}"#),
    row(B, false, r#"{"type": "nulll"}"#),
    row(
        B,
        false,
        r#"{"type": "null", "communicator": "none", "_comment": "x"}"#,
    ),
    row(
        B,
        true,
        r#"{"type": "null", "communicator": "none", "ssh_port": "{{user `p`}}"}"#,
    ),
    row(
        B,
        true,
        r#"{"type": "null", "communicator": "none", "ssh_port": "0x16"}"#,
    ),
    row(
        B,
        true,
        r#"{"type": "null", "communicator": "none", "ssh_port": true}"#,
    ),
    row(
        B,
        false,
        r#"{"type": "null", "communicator": "none", "ssh_port": "2x"}"#,
    ),
    row(
        B,
        true,
        r#"{"type": "null", "communicator": "none", "ssh_timeout": 10}"#,
    ),
    row(
        B,
        false,
        r#"{"type": "null", "communicator": "none", "ssh_timeout": "10"}"#,
    ),
    row(
        B,
        true,
        r#"{"type": "file", "target": "x", "content": 12345678}"#,
    ),
    row(
        B,
        false,
        r#"{"type": "file", "target": "x", "content": "{{build `ID`}}"}"#,
    ),
    row(
        B,
        true,
        r#"{"type": "virtualbox-iso", "iso_url": "http://x/y.iso", "iso_checksum": "none", "ssh_username": "u", "shutdown_command": "x", "vboxmanage": ["modifyvm", "{{.Name}}"], "boot_command": "<esc>{{ .HTTPIP }}", "headless": "true", "disk_size": "40000"}"#,
    ),
    row(
        B,
        true,
        r#"{"type": "amazon-ebs", "region": "us-east-1", "source_ami_filter": {"filters": [{"name": "x"}], "owners": "self,amazon", "most_recent": "1"}, "instance_type": "t2.micro", "ssh_username": "u", "ami_name": "name-{{isotime | clean_resource_name}}", "access_key": "a", "secret_key": "b", "skip_region_validation": true, "tags": [{"a": "1"}], "launch_block_device_mappings": {"device_name": "/dev/sda", "volume_size": "10"}}"#,
    ),
    other(
        B,
        false,
        "a list of one block is taken where one block belongs",
        r#"{"type": "amazon-ebs", "region": "us-east-1", "source_ami_filter": [{"filters": {"name": "x"}, "owners": ["self"]}], "instance_type": "t2.micro", "ssh_username": "u", "ami_name": "name", "access_key": "a", "secret_key": "b", "skip_region_validation": true}"#,
    ),
    // Templates.
    row(
        B,
        false,
        r#"{"type": "null", "communicator": "none", "ssh_host": "{{ user"}"#,
    ),
    row(
        B,
        false,
        r#"{"type": "null", "communicator": "none", "ssh_host": "{{ }}"}"#,
    ),
    row(
        B,
        false,
        r#"{"type": "null", "communicator": "none", "ssh_host": "{{ usr `x` }}"}"#,
    ),
    row(
        B,
        false,
        r#"{"type": "null", "communicator": "none", "ssh_host": "{{ User `x` }}"}"#,
    ),
    row(
        B,
        false,
        r#"{"type": "null", "communicator": "none", "ssh_host": "{{ isotime `x` `y` }}"}"#,
    ),
    row(
        B,
        false,
        r#"{"type": "null", "communicator": "none", "ssh_host": "{{ sed `s/a/b/` `x` }}"}"#,
    ),
    row(
        B,
        false,
        r#"{"type": "null", "communicator": "none", "ssh_host": "{{ env `HOME` }}"}"#,
    ),
    row(
        B,
        false,
        r#"{"type": "null", "communicator": "none", "ssh_host": "{{ vault `a` `b` }}"}"#,
    ),
    row(
        B,
        false,
        r#"{"type": "null", "communicator": "none", "ssh_host": "{{ consul_key `a` }}"}"#,
    ),
    row(
        B,
        false,
        r#"{"type": "null", "communicator": "none", "ssh_host": "{{ aws_secretsmanager `a` }}"}"#,
    ),
    other(
        B,
        false,
        "every component has the function",
        r#"{"type": "null", "communicator": "none", "ssh_host": "{{ clean_resource_name `x` }}"}"#,
    ),
    row(
        B,
        true,
        r#"{"type": "null", "communicator": "none", "ssh_host": "}} ${FOO} %{x} {{`x`}} {{ user \"x\" }}{{- /* no */ -}} x"}"#,
    ),
    row(
        P,
        true,
        r#"{"type": "shell-local", "inline": ["{{ if eq build_name `null` }}yes{{else}}no{{end}} {{ printf `%s` `a` }} {{ split `a,b` `,` 1 }} {{ replace `a` `b` 1 `aaa` }} {{ isotime | upper }} {{ len `abc` }} {{- 1 -}} x"]}"#,
    ),
    row(
        P,
        true,
        r#"{"type": "shell-local", "inline": "echo {{build `ID`}} {{template_dir}} {{pwd}} {{packer_version}} {{timestamp}} {{uuid}}"}"#,
    ),
    // Types of arguments.
    row(
        P,
        false,
        r#"{"type": "shell-local", "inline": "{{ replace `a` `b` `c` 1 }}"}"#,
    ),
    row(
        P,
        false,
        r#"{"type": "shell-local", "inline": "{{ split build_name `-` build_type }}"}"#,
    ),
    row(
        P,
        false,
        r#"{"type": "shell-local", "inline": "{{ split `a-b` `-` `1` }}"}"#,
    ),
    row(
        P,
        false,
        r#"{"type": "shell-local", "inline": "{{ upper 1 }}"}"#,
    ),
    row(
        P,
        false,
        r#"{"type": "shell-local", "inline": "{{ true | lower }}"}"#,
    ),
    row(
        P,
        true,
        r#"{"type": "shell-local", "inline": "{{ println 1 | upper }} {{ `x` | replace `a` `b` -1 }}"}"#,
    ),
    row(V, false, r#"{"a": "{{ isotime 2006 }}"}"#),
    // Provisioners.
    row(P, true, r#"{"type": "shell-local", "Inline": "true"}"#),
    row(P, false, r#"{"type": "shell-local", "inlin": "true"}"#),
    row(P, false, r#"{"type": "shell-local", "inline": ""}"#),
    row(
        P,
        true,
        r#"{"type": "shell-local", "inline": ["echo", 5, true, 1.5]}"#,
    ),
    row(
        P,
        true,
        r#"{"type": "shell-local", "inline": "true", "environment_vars": "A=1"}"#,
    ),
    row(
        P,
        false,
        r#"{"type": "shell-local", "inline": "true", "environment_vars": {"A": "1"}}"#,
    ),
    row(
        P,
        true,
        r#"{"type": "shell-local", "inline": "true", "valid_exit_codes": ["0", 3]}"#,
    ),
    row(
        P,
        true,
        r#"{"type": "shell-local", "inline": "true", "valid_exit_codes": "0,3"}"#,
    ),
    row(
        P,
        true,
        r#"{"type": "shell-local", "inline": "true", "use_linux_pathing": ""}"#,
    ),
    row(
        P,
        false,
        r#"{"type": "shell-local", "inline": "true", "use_linux_pathing": "yes"}"#,
    ),
    row(
        P,
        true,
        r#"{"type": "shell-local", "inline": "true", "tempfile_extension": true}"#,
    ),
    row(
        P,
        true,
        r#"{"type": "shell-local", "inline": "true", "tempfile_extension": null}"#,
    ),
    row(
        P,
        false,
        r#"{"type": "shell-local", "inline": "true", "tempfile_extension": []}"#,
    ),
    row(
        P,
        true,
        r#"{"type": "shell-local", "inline": "true", "pause_before": 10, "timeout": "5s", "max_retries": "2"}"#,
    ),
    row(
        P,
        false,
        r#"{"type": "shell-local", "inline": "true", "max_retries": "{{user `x`}}"}"#,
    ),
    row(
        P,
        true,
        r#"{"type": "shell-local", "inline": "true", "only": "null"}"#,
    ),
    other(
        P,
        false,
        "a name that nothing has is a warning, as in HCL",
        r#"{"type": "shell-local", "inline": "true", "only": ["nope"]}"#,
    ),
    // Builders are named as their names are written.
    row(
        T,
        false,
        r#"{"variables": {"num": "5", "v": "5"}, "builders": [{"type": "null", "name": "w-{{user `num`}}", "communicator": "none"}], "provisioners": [{"type": "shell-local", "inline": "true", "only": ["w-5"]}]}"#,
    ),
    row(
        T,
        true,
        r#"{"variables": {"num": "5", "v": "5"}, "builders": [{"type": "null", "name": "w-{{user `num`}}", "communicator": "none"}], "provisioners": [{"type": "shell-local", "inline": "true", "only": ["w-{{user `num`}}"]}]}"#,
    ),
    row(
        T,
        false,
        r#"{"variables": {"num": "5", "v": "5"}, "builders": [{"type": "null", "name": "w-{{user `num`}}", "communicator": "none"}], "provisioners": [{"type": "shell-local", "inline": "true", "only": ["w-{{ user `num` }}"]}]}"#,
    ),
    row(
        T,
        false,
        r#"{"variables": {"num": "5", "v": "5"}, "builders": [{"type": "null", "name": "w-{{user `num`}}", "communicator": "none"}], "provisioners": [{"type": "shell-local", "inline": "true", "except": "w-5"}]}"#,
    ),
    row(
        T,
        true,
        r#"{"variables": {"num": "5", "v": "5"}, "builders": [{"type": "null", "name": "w-{{user `num`}}", "communicator": "none"}], "provisioners": [{"type": "shell-local", "inline": "true", "except": ["w-{{user `num`}}"]}]}"#,
    ),
    row(
        T,
        false,
        r#"{"variables": {"num": "5", "v": "5"}, "builders": [{"type": "null", "name": "w-5", "communicator": "none"}], "provisioners": [{"type": "shell-local", "inline": "true", "only": ["w-{{user `num`}}"]}]}"#,
    ),
    row(
        T,
        false,
        r#"{"variables": {"num": "5", "v": "5"}, "builders": [{"type": "null", "name": "w-{{user `num`}}", "communicator": "none"}], "provisioners": [{"type": "shell-local", "inline": "true", "only": ["w-{{user `v`}}"]}]}"#,
    ),
    row(
        T,
        false,
        r#"{"variables": {"num": "5", "v": "5"}, "builders": [{"type": "null", "name": "w-{{user `num`}}", "communicator": "none"}], "provisioners": [{"type": "shell-local", "inline": "true", "override": {"w-5": {"inline": "x"}}}]}"#,
    ),
    row(
        T,
        true,
        r#"{"variables": {"num": "5", "v": "5"}, "builders": [{"type": "null", "name": "w-{{user `num`}}", "communicator": "none"}], "provisioners": [{"type": "shell-local", "inline": "true", "override": {"w-{{user `num`}}": {"inline": "x"}}}]}"#,
    ),
    row(
        T,
        false,
        r#"{"variables": {"num": "5", "v": "5"}, "builders": [{"type": "null", "name": "w-{{user `num`}}", "communicator": "none"}], "post-processors": [{"type": "manifest", "only": ["w-5"]}]}"#,
    ),
    row(
        T,
        true,
        r#"{"variables": {"num": "5", "v": "5"}, "builders": [{"type": "null", "name": "w-{{user `num`}}", "communicator": "none"}], "post-processors": [{"type": "manifest", "except": ["w-{{user `num`}}"]}]}"#,
    ),
    row(
        P,
        true,
        r#"{"type": "shell-local", "inline": "true", "override": {"null": {"inline": "false"}}}"#,
    ),
    other(
        P,
        false,
        "a name that nothing has is a warning, as in HCL",
        r#"{"type": "shell-local", "inline": "true", "override": {"nope": {"inline": "false"}}}"#,
    ),
    other(
        P,
        false,
        "provisioners have names, as in HCL",
        r#"{"type": "shell-local", "inline": "true", "name": "x"}"#,
    ),
    row(P, false, r#"{"inline": "true"}"#),
    row(P, false, r#""shell-local""#),
    row(
        P,
        false,
        r#"{"type": "shell-local", "inline": "true"}, null"#,
    ),
    // Post-processors.
    row(
        PP,
        true,
        r#""manifest", {"type": "shell-local", "inline": "true", "name": "x"}, ["manifest", {"type": "manifest", "keep_input_artifact": true, "only": ["null"]}]"#,
    ),
    other(
        PP,
        false,
        "a text that is `true` is true",
        r#"{"type": "manifest", "keep_input_artifact": "true"}"#,
    ),
    row(PP, false, r#"5"#),
    row(PP, false, r#"[["manifest"], [["manifest"]]]"#),
    row(PP, false, r#"{"output": "x"}"#),
    row(
        PP,
        true,
        r#"{"type": "checksum", "checksum_types": "md5,sha256", "output": "{{.BuildName}}_{{.ChecksumType}}"}"#,
    ),
];
