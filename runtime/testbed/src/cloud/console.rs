//! What an instance tells without a login: the console with the keys of its sshd, and the password of Windows.

use rsa::BigUint;

use super::answer::Answer;
use super::behaviour::Behaviour;
use super::ec2::Outcome;
use super::request::{Request, decoded, encoded};
use super::server::Shared;
use super::xml::Element;
use super::{describe, keys};

/// `GetConsoleOutput`.
pub(crate) async fn output(
    shared: &Shared,
    request: &Request,
    behaviour: &Behaviour,
) -> Outcome<Answer> {
    let id = request.parameter("InstanceId");
    describe::instance(shared, request, id).await?;
    let silent = shared.state().is_silent(&format!("console/{id}"));
    let machines = behaviour.machines.clone().unwrap_or_default();
    let mut text = "[    0.000000] Linux version 6.8.0 (testbed)\r\n".to_owned();
    let key = shared.fleet.with(id, crate::Sshd::host_key);
    if let Some(key) = key.filter(|_| !machines.silent_console) {
        text.push_str("cloud-init[801]: Cloud-init running 'modules:final'\r\n");
        text.push_str("-----BEGIN SSH HOST KEY KEYS-----\r\n");
        text.push_str(&format!("{key} root@{id}\r\n"));
        text.push_str("-----END SSH HOST KEY KEYS-----\r\n");
    }
    let mut members = vec![
        Element::with_text("instanceId", id),
        Element::with_text("timestamp", jiff::Timestamp::now().to_string()),
    ];
    if !silent {
        members.push(Element::with_text("output", encoded(text)));
    }
    Ok(Answer::ec2("GetConsoleOutput", members))
}

/// `GetPasswordData`: encrypted for the key pair that the instance was started with.
pub(crate) async fn password(
    shared: &Shared,
    request: &Request,
    behaviour: &Behaviour,
) -> Outcome<Answer> {
    let id = request.parameter("InstanceId");
    let instance = describe::instance(shared, request, id).await?;
    let silent = shared.state().is_silent(&format!("password/{id}"));
    let mut data = String::new();
    let is_windows = instance.text_at("platform").eq_ignore_ascii_case("windows");
    if is_windows && !silent {
        let key = keys::public(shared, request, instance.text_at("keyName")).await?;
        data = encrypted(&behaviour.password, &key).unwrap_or_default();
    }
    let members = vec![
        Element::with_text("instanceId", id),
        Element::with_text("timestamp", jiff::Timestamp::now().to_string()),
        Element::with_text("passwordData", data),
    ];
    Ok(Answer::ec2("GetPasswordData", members))
}

/// A text encrypted with RSA (PKCS #1 v1.5), in Base64; `None` for a key of another kind.
///
/// The padding is the same every time: this is no secret, and tests like what does not change.
fn encrypted(text: &str, key: &str) -> Option<String> {
    let blob = decoded(key.strip_prefix("ssh-rsa ")?.split(' ').next()?);
    let mut fields = Vec::new();
    let mut rest = blob.as_slice();
    while rest.len() >= 4 {
        let (length, tail) = rest.split_at(4);
        let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
        fields.push(tail.get(..length)?);
        rest = tail.get(length..)?;
    }
    let [_, exponent, modulus] = fields[..] else {
        return None;
    };
    let (exponent, modulus) = (
        BigUint::from_bytes_be(exponent),
        BigUint::from_bytes_be(modulus),
    );
    let size = modulus.bits().div_ceil(8);
    let padding = size.checked_sub(text.len() + 3)?;
    let mut block = vec![0, 2];
    block.resize(2 + padding, 0x5a);
    block.push(0);
    block.extend_from_slice(text.as_bytes());
    let cipher = BigUint::from_bytes_be(&block).modpow(&exponent, &modulus);
    let cipher = cipher.to_bytes_be();
    let mut whole = vec![0; size - cipher.len()];
    whole.extend(cipher);
    Some(encoded(whole))
}
