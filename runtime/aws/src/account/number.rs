//! The number of the account that credentials are of, without asking.
//!
//! In: credentials. Out: twelve digits, where they tell. Records keep it: credentials of another account find nothing of what is on
//! record, which must not be taken for gone.

use aws_credential_types::Credentials;

/// Bits of a key's name that the number is read from, in digits of five bits each.
const DIGITS: usize = 10;

/// The account's number: as the name of the key has it, else as whoever gave credentials for a session says; `None` where neither
/// tells. Beside a key that stays, the number would be that of AWS_ACCOUNT_ID, which may mean another account.
pub(crate) fn number(credentials: &Credentials) -> Option<String> {
    let said = || {
        credentials.session_token()?;
        let said = credentials.account_id()?;
        Some(said.as_str().to_owned())
    };
    in_key(credentials.access_key_id()).or_else(said)
}

/// Amazon writes the number into the names of keys (since 2019; GetAccessKeyInfo of STS tells the same): after the four letters of
/// the kind, 48 bits in base 32, of which the first marks that form and the next forty are the number. Servers for tests, moto and
/// LocalStack among them, take twelve digits in a key's place for the number itself.
fn in_key(key: &str) -> Option<String> {
    if key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(key.to_owned());
    }
    if !(key.starts_with("AKIA") || key.starts_with("ASIA")) {
        return None;
    }
    let digits = key.as_bytes().get(4..4 + DIGITS)?;
    let value = digits.iter().try_fold(0_u64, |value, digit| {
        let digit = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'2'..=b'7' => digit - b'2' + 26,
            _ => return None,
        };
        Some(value << 5 | u64::from(digit))
    })? >> 2;
    let has_number = value >> 47 == 1;
    has_number.then(|| format!("{:012}", (value >> 7) & 0xff_ffff_ffff))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_its_account() {
        for (key, wanted) in [
            ("ASIAY34FZKBOKMUTVV7A", Some("609629065308")),
            ("ASIAQNZGKIQY56JQ7WML", Some("029608264753")),
            ("123456789012", Some("123456789012")),
            // Older than the form with the number.
            ("AKIAIOSFODNN7EXAMPLE", None),
            ("AKIAY34F", None),
            ("AKIAY34F1890MUTVV7A", None),
            ("testing", None),
        ] {
            assert_eq!(in_key(key).as_deref(), wanted, "{key}");
        }
    }

    #[test]
    fn the_key_knows_better_than_who_gives_it() {
        let of = |key: &str, session: Option<&str>| {
            let mut credentials = Credentials::builder()
                .access_key_id(key)
                .secret_access_key("secret")
                .account_id("210987654321")
                .provider_name("test");
            credentials.set_session_token(session.map(str::to_owned));
            number(&credentials.build())
        };
        let told = |key: &str, session: Option<&str>| of(key, session).unwrap_or_default();
        assert_eq!(told("ASIAY34FZKBOKMUTVV7A", Some("token")), "609629065308");
        assert_eq!(told("ASIAIOSFODNN7EXAMPLE", Some("token")), "210987654321");
        assert_eq!(told("AKIAIOSFODNN7EXAMPLE", None), "");
    }
}
