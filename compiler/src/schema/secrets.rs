//! Which options are secrets by their nature.
//!
//! In: an option's name and what the catalogue knows of it. Out: whether its value is a secret, whoever gives it. Components
//! mark few of theirs so; this is the rule for all. What names a file, a key that somebody else keeps (`kms_key_id`,
//! `ssh_keypair_name`), the public half of one, a choice (`http_tokens`) or a length of time is no secret: such names end in
//! other words.

use super::Attribute;
use crate::types::Type;

/// How the names of secrets end; before it stands nothing, or `_`.
const ENDS: &[&str] = &[
    "access_key",
    "api_key",
    "apikey",
    "credentials_json",
    "jwt",
    "key_material",
    "pass",
    "pass_phrase",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "product_key",
    "pwd",
    "rawkey",
    "secret",
    "secret_key",
    "token",
];

/// Whether the value of an option is a secret by its name; only texts, and lists of bytes, are.
pub(super) fn is_one(name: &str, attribute: &Attribute) -> bool {
    let bytes = || matches!(&attribute.ty, Type::List(element) if **element == Type::Number);
    let may_be = matches!(attribute.ty, Type::String | Type::Any) || bytes();
    may_be
        && attribute.reads.is_none()
        && attribute.format.is_none()
        && attribute.values.is_empty()
        && is_named_so(name)
}

/// Whether an option of that name, of which nothing else is known, is a secret if it is a text.
pub(crate) fn is_named_so(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ENDS.iter().any(|end| {
        name.strip_suffix(end)
            .is_some_and(|before| before.is_empty() || before.ends_with('_'))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::schema::{BodySchema, KINDS, component, names};

    fn collect(body: &BodySchema, found: &mut [BTreeSet<String>; 2]) {
        for (name, attribute) in &body.attributes {
            found[usize::from(attribute.sensitive)].insert(name.to_string());
        }
        for block in body.blocks.values() {
            collect(&block.body, found);
        }
    }

    #[test]
    fn of_the_whole_catalogue() {
        let mut found = [BTreeSet::new(), BTreeSet::new()];
        for kind in KINDS {
            for name in names(kind) {
                collect(
                    &component(kind, name)
                        .expect("the name came from the table")
                        .body,
                    &mut found,
                );
            }
        }
        let [open, secret] = &found;
        insta::assert_snapshot!(secret.iter().cloned().collect::<Vec<_>>().join("\n"), @r"
        access_key
        access_token
        admin_password
        api_key
        api_secret
        api_token
        application_credential_secret
        aws_access_key
        aws_secret_key
        aws_token
        client_cert_password
        client_jwt
        client_secret
        credentials_json
        elevated_password
        linode_token
        login_password
        mfa_code
        nutanix_password
        oidc_request_token
        pass_phrase
        password
        private_key
        product_key
        public_key
        rawKey
        root_pass
        secret_id
        secret_key
        security_token
        spaces_key
        spaces_secret
        ssh_bastion_password
        ssh_password
        ssh_private_key
        ssh_proxy_password
        token
        triton_key_material
        username
        vnc_password
        winrm_password
        ");
        for name in [
            "ssh_keypair_name",
            "ssh_private_key_file",
            "ssh_bastion_certificate_file",
            "temporary_key_pair_name",
            "kms_key_id",
            "key",
            "http_tokens",
            "host_key",
            "secret_name",
            "ssh_public_key",
            "sas_token_duration",
            "windows_password_timeout",
            "template_password_enabled",
            "vnc_use_password",
            "key_hold_time",
            "credentials_file",
            "encrypted_data_bag_secret_path",
            "communicator",
        ] {
            assert!(open.contains(name) && !secret.contains(name), "{name}");
        }
    }
}
