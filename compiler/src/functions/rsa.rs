//! `rsadecrypt`: what was encrypted with the public half of a key, such as a Windows password from a cloud.
//!
//! Messages say nothing about the key, the plain text or the padding.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::{BigUint, Pkcs1v15Encrypt, RsaPrivateKey};

use super::{CallCx, Function, FunctionError, FunctionResult, Param, Returns, Shape, text};
use crate::value::Value;

pub(super) static FUNCTIONS: &[Function] = &[Function::new(
    "rsadecrypt",
    &[
        Param::new("ciphertext", Shape::String),
        Param::new("privatekey", Shape::String),
    ],
    Returns::Is(Shape::String),
    "The text that was encrypted with the public half of an RSA key (PKCS #1 v1.5) and written in Base64.",
    (
        "rsadecrypt(filebase64(\"password.enc\"), file(\"key.pem\"))",
        "\"hunter2\"",
    ),
    decrypt,
)];

fn decrypt(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let encrypted: String = text(args, 0).split(['\r', '\n']).collect();
    let encrypted = STANDARD
        .decode(encrypted)
        .map_err(|_| FunctionError::at(0, "this is not Base64"))?;
    let key = private_key(text(args, 1)).map_err(|message| FunctionError::at(1, message))?;
    let plain = key
        .decrypt(Pkcs1v15Encrypt, &encrypted)
        .map_err(|_| FunctionError::at(0, "this key cannot decrypt it"))?;
    String::from_utf8(plain)
        .map(Value::string)
        .map_err(|_| FunctionError::at(0, "the decrypted bytes are not text in UTF-8"))
}

/// The key of a PEM text: as `openssl` writes it (PKCS #1 or PKCS #8), or as `ssh-keygen` does.
fn private_key(pem: &str) -> Result<RsaPrivateKey, &'static str> {
    const NO_KEY: &str = "expected the private key of an RSA pair in PEM";
    const WITH_PASSWORD: &str = "the key is protected by a password, which a template cannot give";
    let pem = pem.trim();
    let label = pem
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("-----BEGIN ")?.strip_suffix("-----"))
        .ok_or(NO_KEY)?;
    match label {
        "RSA PRIVATE KEY" if pem.contains("ENCRYPTED") => Err(WITH_PASSWORD),
        "RSA PRIVATE KEY" => RsaPrivateKey::from_pkcs1_pem(pem).map_err(|_| NO_KEY),
        "PRIVATE KEY" => RsaPrivateKey::from_pkcs8_pem(pem).map_err(|_| NO_KEY),
        "ENCRYPTED PRIVATE KEY" => Err(WITH_PASSWORD),
        "OPENSSH PRIVATE KEY" => {
            let key = ssh_key::PrivateKey::from_openssh(pem).map_err(|_| NO_KEY)?;
            if key.is_encrypted() {
                return Err(WITH_PASSWORD);
            }
            from_openssh(&key).ok_or(NO_KEY)
        }
        _ => Err(NO_KEY),
    }
}

/// Not by `ssh_key`'s own conversion, which takes no keys of fewer than 2048 bits.
fn from_openssh(key: &ssh_key::PrivateKey) -> Option<RsaPrivateKey> {
    let pair = key.key_data().rsa()?;
    let number = |number: &ssh_key::Mpint| number.as_positive_bytes().map(BigUint::from_bytes_be);
    let primes = vec![number(&pair.private.p)?, number(&pair.private.q)?];
    RsaPrivateKey::from_components(
        number(&pair.public.n)?,
        number(&pair.public.e)?,
        number(&pair.private.d)?,
        primes,
    )
    .ok()
}
