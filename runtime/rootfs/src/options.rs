//! The builder's options, read from the template's values.

use std::collections::BTreeMap;

use imgc_compiler::components::Problem;
use imgc_compiler::value::{Data, Value};
use serde_json::Value as Json;

use crate::base::Base;
use crate::job::Compression;

/// A source's options, with defaults filled in.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) base: Base,
    pub(crate) variant: String,
    pub(crate) components: Vec<String>,
    pub(crate) packages: Vec<String>,
    pub(crate) mirrors: Vec<String>,
    pub(crate) keyrings: Vec<String>,
    /// Debian's name for it.
    pub(crate) architecture: String,
    pub(crate) host_network: bool,
    pub(crate) hostname: String,
    pub(crate) build_env: BTreeMap<String, String>,
    pub(crate) image: ImageConfig,
    pub(crate) formats: Vec<Format>,
    /// `None` for `output-NAME`.
    pub(crate) output_directory: Option<String>,
    /// `None` for the source's name.
    pub(crate) image_name: Option<String>,
    pub(crate) tag: String,
    pub(crate) compression: Compression,
    pub(crate) squash: bool,
    /// Bytes.
    pub(crate) disk_size: Option<u64>,
    pub(crate) reproducible: bool,
    pub(crate) source_date_epoch: Option<i64>,
}

/// What an OCI image says about running it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ImageConfig {
    pub(crate) entrypoint: Option<Vec<String>>,
    pub(crate) cmd: Option<Vec<String>>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) working_dir: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) exposed_ports: Vec<String>,
    pub(crate) volumes: Vec<String>,
    pub(crate) stop_signal: Option<String>,
}

/// A form in which the image is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Format {
    Oci,
    TarZst,
    Ext4,
    Qcow2,
}

impl Format {
    pub(crate) const ALL: [Self; 4] = [Self::Oci, Self::TarZst, Self::Ext4, Self::Qcow2];

    /// As written in a template; also the extension of the output's name.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Oci => "oci",
            Self::TarZst => "tar.zst",
            Self::Ext4 => "ext4",
            Self::Qcow2 => "qcow2",
        }
    }
}

/// Architectures: Debian's name, OCI's name and variant, names people also use.
const ARCHITECTURES: &[(&str, &str, Option<&str>, &[&str])] = &[
    ("amd64", "amd64", None, &["x86_64"]),
    ("arm64", "arm64", Some("v8"), &["aarch64"]),
    ("armhf", "arm", Some("v7"), &["arm", "armv7l"]),
    ("armel", "arm", Some("v5"), &[]),
    ("i386", "386", None, &["386", "i686"]),
    ("ppc64el", "ppc64le", None, &["ppc64le"]),
    ("riscv64", "riscv64", None, &[]),
    ("s390x", "s390x", None, &[]),
    ("mips64el", "mips64le", None, &["mips64le"]),
    ("loong64", "loong64", None, &["loongarch64"]),
];

/// OCI's architecture and variant for Debian's name.
pub(crate) fn oci_architecture(debian: &str) -> (&str, Option<&'static str>) {
    match ARCHITECTURES.iter().find(|(name, ..)| *name == debian) {
        Some((_, oci, variant, _)) => (oci, *variant),
        None => (debian, None),
    }
}

/// Debian's name for any known name of an architecture.
pub(crate) fn debian_architecture(name: &str) -> Option<&'static str> {
    ARCHITECTURES
        .iter()
        .find(|(debian, oci, _, others)| {
            *debian == name || (*oci == name && name != "arm") || others.contains(&name)
        })
        .map(|(debian, ..)| *debian)
}

/// Debian's name for this machine's architecture.
pub(crate) fn machine_architecture() -> &'static str {
    debian_architecture(std::env::consts::ARCH).unwrap_or("amd64")
}

impl Options {
    /// Reads the options; what is unknown until run time is left at its default. Problems are in the order of the options.
    pub(crate) fn read(options: &Value) -> (Self, Vec<Problem>) {
        let mut reader = Reader::new(options);
        let options = Self::from_reader(&mut reader);
        (options, reader.problems)
    }

    fn from_reader(reader: &mut Reader) -> Self {
        let base = reader.base();
        let is_bootstrap = matches!(base, Base::Distribution { .. } | Base::Path(_));
        let options = Self {
            variant: reader
                .one_of(
                    "variant",
                    &[
                        "minbase",
                        "apt",
                        "essential",
                        "required",
                        "important",
                        "standard",
                        "buildd",
                        "extract",
                        "custom",
                    ],
                )
                .unwrap_or_else(|| "minbase".to_owned()),
            components: reader.list("components"),
            packages: reader.list("packages"),
            mirrors: reader.list("mirror"),
            keyrings: reader.list("keyrings"),
            architecture: reader.architecture(),
            host_network: reader
                .one_of("network", &["host", "none"])
                .is_none_or(|network| network == "host"),
            hostname: reader.hostname(),
            build_env: reader.map("build_env"),
            image: ImageConfig {
                entrypoint: reader.optional_list("entrypoint"),
                cmd: reader.optional_list("cmd"),
                env: reader.map("env"),
                labels: reader.map("labels"),
                working_dir: reader.working_dir(),
                user: reader.text("user"),
                exposed_ports: reader.ports(),
                volumes: reader.list("volumes"),
                stop_signal: reader.text("stop_signal"),
            },
            formats: reader.formats(),
            output_directory: reader.text("output_directory"),
            image_name: reader.name("image_name"),
            tag: reader.name("tag").unwrap_or_else(|| "latest".to_owned()),
            compression: match reader
                .one_of("layer_compression", &["gzip", "zstd", "none"])
                .as_deref()
            {
                Some("zstd") => Compression::Zstd,
                Some("none") => Compression::None,
                _ => Compression::Gzip,
            },
            squash: reader.flag("squash").unwrap_or(false),
            disk_size: reader.disk_size(),
            reproducible: reader.flag("reproducible").unwrap_or(true),
            source_date_epoch: reader.epoch(),
            base,
        };
        if !is_bootstrap {
            for name in ["variant", "components", "packages", "mirror", "keyrings"] {
                if reader.is_given(name) {
                    reader.problem(
                        name,
                        format!("`{name}` is for bootstrapping a distribution"),
                        Some(
                            "start from one, such as from = \"debian:bookworm\", or leave it out"
                                .to_owned(),
                        ),
                    );
                }
            }
        }
        options
    }

    /// Whether a format is wanted.
    pub(crate) fn wants(&self, format: Format) -> bool {
        self.formats.contains(&format)
    }
}

struct Reader {
    values: serde_json::Map<String, Json>,
    unknown: Vec<String>,
    problems: Vec<Problem>,
}

impl Reader {
    fn new(options: &Value) -> Self {
        let mut reader = Self {
            values: serde_json::Map::new(),
            unknown: Vec::new(),
            problems: Vec::new(),
        };
        if let Data::Object(entries) | Data::Map(_, entries) = options.data() {
            for (name, value) in entries.iter() {
                match value.to_json() {
                    Ok(Json::Null) => {}
                    Ok(json) => {
                        reader.values.insert(name.to_string(), json);
                    }
                    Err(_) => reader.unknown.push(name.to_string()),
                }
            }
        }
        reader
    }

    fn problem(&mut self, option: &str, message: impl Into<String>, help: Option<String>) {
        let problem = Problem::new(message).of(option);
        self.problems.push(Problem { help, ..problem });
    }

    fn is_given(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Text; numbers and truth values count as their text, as everywhere in HCL.
    fn text(&mut self, name: &str) -> Option<String> {
        let text = as_text(self.values.get(name)?);
        match text {
            Some(text) if text.is_empty() => None,
            Some(text) => Some(text),
            None => {
                self.problem(name, format!("`{name}` must be text"), None);
                None
            }
        }
    }

    fn optional_list(&mut self, name: &str) -> Option<Vec<String>> {
        let list = match self.values.get(name)? {
            Json::Array(elements) => elements.iter().map(as_text).collect::<Option<Vec<_>>>(),
            single => as_text(single).map(|text| vec![text]),
        };
        if list.is_none() {
            self.problem(name, format!("`{name}` must be a list of texts"), None);
        }
        list
    }

    fn list(&mut self, name: &str) -> Vec<String> {
        let list = self.optional_list(name).unwrap_or_default();
        list.into_iter().filter(|text| !text.is_empty()).collect()
    }

    fn map(&mut self, name: &str) -> BTreeMap<String, String> {
        let Some(value) = self.values.get(name) else {
            return BTreeMap::new();
        };
        let entries = match value {
            Json::Object(entries) => entries
                .iter()
                .map(|(key, value)| as_text(value).map(|text| (key.clone(), text)))
                .collect::<Option<BTreeMap<_, _>>>(),
            _ => None,
        };
        let entries = entries.unwrap_or_else(|| {
            self.problem(name, format!("`{name}` must be a map of texts"), None);
            BTreeMap::new()
        });
        let bad = entries
            .keys()
            .find(|key| name != "labels" && (key.is_empty() || key.contains('=')));
        if let Some(bad) = bad {
            self.problem(
                name,
                format!("`{bad}` is not the name of an environment variable"),
                None,
            );
        }
        entries
    }

    fn flag(&mut self, name: &str) -> Option<bool> {
        match self.values.get(name)? {
            Json::Bool(value) => Some(*value),
            Json::String(text) if text == "true" => Some(true),
            Json::String(text) if text == "false" => Some(false),
            _ => {
                self.problem(name, format!("`{name}` must be true or false"), None);
                None
            }
        }
    }

    fn one_of(&mut self, name: &str, words: &[&str]) -> Option<String> {
        let text = self.text(name)?;
        if words.contains(&text.as_str()) {
            return Some(text);
        }
        self.problem(
            name,
            format!("`{name}` cannot be `{text}`"),
            Some(format!("write one of: {}", words.join(", "))),
        );
        None
    }

    fn base(&mut self) -> Base {
        let Some(text) = self.text("from") else {
            if !self.unknown.iter().any(|name| name == "from") {
                self.problem(
                    "from",
                    "`from` is missing: what the root file system starts from",
                    Some("write from = \"debian:bookworm\"".to_owned()),
                );
            }
            // Nothing is said about options that depend on it.
            return Base::Path("".into());
        };
        Base::parse(&text).unwrap_or_else(|(message, help)| {
            self.problem("from", message, Some(help));
            Base::Path("".into())
        })
    }

    fn architecture(&mut self) -> String {
        let Some(text) = self.text("architecture") else {
            return machine_architecture().to_owned();
        };
        match debian_architecture(&text) {
            Some(name) => name.to_owned(),
            None => {
                let names: Vec<&str> = ARCHITECTURES.iter().map(|(name, ..)| *name).collect();
                self.problem(
                    "architecture",
                    format!("`{text}` is not a known architecture"),
                    Some(format!("write one of: {}", names.join(", "))),
                );
                machine_architecture().to_owned()
            }
        }
    }

    fn hostname(&mut self) -> String {
        let name = self.text("hostname").unwrap_or_else(|| "imgc".to_owned());
        let plain = name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
        if !plain || name.len() > 64 || name.starts_with('-') {
            self.problem(
                "hostname",
                format!("`{name}` is not a host name"),
                Some("use letters, digits, `-` and `.`, at most 64".to_owned()),
            );
        }
        name
    }

    fn working_dir(&mut self) -> Option<String> {
        let path = self.text("working_dir")?;
        if !path.starts_with('/') {
            self.problem(
                "working_dir",
                format!("`working_dir` must be an absolute path, not `{path}`"),
                None,
            );
        }
        Some(path)
    }

    /// A name that becomes part of a path.
    fn name(&mut self, option: &str) -> Option<String> {
        let name = self.text(option)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
        if !name.chars().all(plain) || name.starts_with(['.', '-']) {
            self.problem(option, format!("`{name}` cannot be a name: only letters, digits and `-_.+`, beginning with a letter or digit"), None);
        }
        Some(name)
    }

    /// `80`, `80/tcp`, `8000-8010/udp`; always with the protocol.
    fn ports(&mut self) -> Vec<String> {
        let mut ports = Vec::new();
        for text in self.list("exposed_ports") {
            let (numbers, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
            let numbers_ok = numbers.split('-').count() <= 2
                && numbers
                    .split('-')
                    .all(|number| number.parse::<u16>().is_ok_and(|number| number > 0));
            if !numbers_ok || !matches!(protocol, "tcp" | "udp" | "sctp") {
                self.problem(
                    "exposed_ports",
                    format!("`{text}` is not a port"),
                    Some("write \"80\", \"80/tcp\" or \"53/udp\"".to_owned()),
                );
            }
            ports.push(format!("{numbers}/{protocol}"));
        }
        ports
    }

    fn formats(&mut self) -> Vec<Format> {
        let mut formats = Vec::new();
        let words: Vec<&str> = Format::ALL.iter().map(|format| format.word()).collect();
        for text in self.list("formats") {
            match Format::ALL.iter().find(|format| format.word() == text) {
                Some(format) => formats.push(*format),
                None => self.problem(
                    "formats",
                    format!("`{text}` is not a known format"),
                    Some(format!("write one or more of: {}", words.join(", "))),
                ),
            }
        }
        formats.sort();
        formats.dedup();
        if formats.is_empty() {
            vec![Format::Oci]
        } else {
            formats
        }
    }

    fn disk_size(&mut self) -> Option<u64> {
        let text = self.text("disk_size")?;
        let size = parse_size(&text);
        if size.is_none_or(|size| size < 8 << 20) {
            self.problem("disk_size", format!("`{text}` is not a disk size"), Some("write a number with its unit, such as \"512M\" or \"4G\" (8M or more); without unit it is in MiB".to_owned()));
        }
        size
    }

    fn epoch(&mut self) -> Option<i64> {
        let text = self.text("source_date_epoch")?;
        let epoch = text
            .parse()
            .ok()
            .filter(|epoch| (0..=i64::from(u32::MAX)).contains(epoch));
        if epoch.is_none() {
            self.problem(
                "source_date_epoch",
                format!("`{text}` is not a number of seconds since 1970"),
                None,
            );
        }
        epoch
    }
}

fn as_text(json: &Json) -> Option<String> {
    match json {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// `4G`, `512MiB`; a bare number is MiB, as in Packer's `disk_size`.
fn parse_size(text: &str) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = text[..digits].parse().ok()?;
    let shift = match text[digits..].trim().to_lowercase().as_str() {
        "k" | "kb" | "kib" => 10,
        "" | "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    number
        .checked_mul(1 << shift)
        .filter(|size| *size < 1 << 50)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn problems(json: &str) -> String {
        let (_, problems) = Options::read(&Value::from_json_text(json).unwrap());
        let line = |problem: Problem| {
            format!(
                "{}: {} ({})",
                problem.options.join(","),
                problem.message,
                problem.help.unwrap_or_default()
            )
        };
        problems
            .into_iter()
            .map(line)
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        insta::assert_snapshot!(problems(
            r#"{"from": "scratch", "packages": ["nginx"], "network": "bridge", "formats": ["oci", "vmdk"], "disk_size": "big",
                "exposed_ports": [80, "web"], "working_dir": "srv", "architecture": "z80", "source_date_epoch": "today",
                "env": {"A=B": "1"}, "tag": "a/b", "hostname": "a b"}"#
        ), @r#"
        architecture: `z80` is not a known architecture (write one of: amd64, arm64, armhf, armel, i386, ppc64el, riscv64, s390x, mips64el, loong64)
        network: `network` cannot be `bridge` (write one of: host, none)
        hostname: `a b` is not a host name (use letters, digits, `-` and `.`, at most 64)
        env: `A=B` is not the name of an environment variable ()
        working_dir: `working_dir` must be an absolute path, not `srv` ()
        exposed_ports: `web` is not a port (write "80", "80/tcp" or "53/udp")
        formats: `vmdk` is not a known format (write one or more of: oci, tar.zst, ext4, qcow2)
        tag: `a/b` cannot be a name: only letters, digits and `-_.+`, beginning with a letter or digit ()
        disk_size: `big` is not a disk size (write a number with its unit, such as "512M" or "4G" (8M or more); without unit it is in MiB)
        source_date_epoch: `today` is not a number of seconds since 1970 ()
        packages: `packages` is for bootstrapping a distribution (start from one, such as from = "debian:bookworm", or leave it out)
        "#);
    }

    #[test]
    fn what_is_unknown_until_run_time_is_no_mistake() {
        use imgc_compiler::types::Type;
        let entries = [
            ("from".into(), Value::unknown(Type::String)),
            ("packages".into(), Value::unknown(Type::Any)),
        ];
        let value = Value::from_data(Data::Object(std::sync::Arc::new(
            entries.into_iter().collect(),
        )));
        assert_eq!(Options::read(&value).1, []);
    }

    #[test]
    fn sizes_are_in_mebibytes_unless_said() {
        assert_eq!(parse_size("512"), Some(512 << 20));
        assert_eq!(parse_size("4G"), Some(4 << 30));
        assert_eq!(parse_size("64 MiB"), Some(64 << 20));
        assert_eq!(parse_size("4X"), None);
        assert_eq!(parse_size(""), None);
    }

    #[test]
    fn every_option_of_the_catalogue_is_read() {
        use imgc_compiler::{components::ComponentKind, schema};
        let component = schema::component(ComponentKind::Builder, "rootfs").unwrap();
        let names: Vec<&str> = component
            .body
            .attributes
            .keys()
            .map(|name| name.as_str())
            .collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(names, sorted);
        // Each option given with a value of no use must be noticed by the reader, or be free text.
        for name in names {
            let json = format!(r#"{{"from": "debian:bookworm", "{name}": [{{}}]}}"#);
            assert!(
                problems(&json).contains(&format!("`{name}`")),
                "{name} is not read"
            );
        }
    }
}
