//! The one thing of an instance's user data that the machines here obey: the host key that cloud-init is told to use.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use mail_parser::{MessageParser, MimeHeaders as _};
use saphyr::{LoadableYamlNode as _, Yaml};

/// The private host key, in OpenSSH's or PEM's form, from cloud-config: plain, packed with gzip, or a part of a MIME
/// document.
pub(crate) fn host_key(data: &[u8]) -> Option<String> {
    if data.starts_with(&[0x1f, 0x8b]) {
        let mut unpacked = Vec::new();
        MultiGzDecoder::new(data).read_to_end(&mut unpacked).ok()?;
        return host_key(&unpacked);
    }
    if data.starts_with(b"#cloud-config") {
        return from_cloud_config(data);
    }
    let head = String::from_utf8_lossy(&data[..data.len().min(2000)]).to_lowercase();
    if head.starts_with("content-type: multipart/") || head.contains("\ncontent-type: multipart/") {
        let document = MessageParser::default().parse(data)?;
        return document.parts.iter().find_map(|part| {
            let kind = part.content_type()?;
            match kind.subtype() {
                Some("cloud-config") => from_cloud_config(part.contents()),
                _ if kind.ctype() == "multipart" => None,
                _ => host_key(part.contents()),
            }
        });
    }
    None
}

fn from_cloud_config(text: &[u8]) -> Option<String> {
    let documents = Yaml::load_from_str(std::str::from_utf8(text).ok()?).ok()?;
    let keys = documents.first()?.as_mapping_get("ssh_keys")?;
    ["ed25519_private", "ecdsa_private", "rsa_private"]
        .iter()
        .find_map(|name| keys.as_mapping_get(name)?.as_str())
        .map(|key| format!("{}\n", key.trim_end()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write as _;

    use super::*;

    const CONFIG: &str = "#cloud-config\nssh_deletekeys: true\nssh_keys:\n  ed25519_private: |\n    -----BEGIN\n    \
                          abc\n    -----END\n  ed25519_public: ssh-ed25519 AAAA\n";
    const KEY: &str = "-----BEGIN\nabc\n-----END\n";

    #[test]
    fn a_host_key_is_found_in_every_form() {
        assert_eq!(host_key(CONFIG.as_bytes()).unwrap(), KEY);
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(CONFIG.as_bytes()).unwrap();
        assert_eq!(host_key(&packed.finish().unwrap()).unwrap(), KEY);
        let parts = format!(
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"edge\"\r\n\r\n--edge\r\nContent-Type: \
             text/x-shellscript\r\n\r\n#!/bin/sh\necho hello\r\n--edge\r\nContent-Type: text/cloud-config\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--edge--\r\n",
            crate::cloud::request::encoded(CONFIG)
        );
        assert_eq!(host_key(parts.as_bytes()).unwrap(), KEY);
    }

    #[test]
    fn other_user_data_has_none() {
        for data in [
            "",
            "#!/bin/sh\nssh_keys: 1\n",
            "#cloud-config\nusers: []\n",
            "{\"ignition\": {}}",
        ] {
            assert_eq!(host_key(data.as_bytes()), None, "{data}");
        }
    }
}
