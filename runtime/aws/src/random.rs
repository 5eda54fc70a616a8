//! Names that nothing else has: from the system's random numbers, since a resumed run repeats those of its template.

use imgc_runtime::error::{Class, Error, Result};

/// 32 hexadecimal digits.
pub(crate) fn hex() -> Result<String> {
    use std::fmt::Write as _;

    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(
            Class::Environment,
            "run/local-file",
            format!("the system gives no random numbers: {error}"),
        )
    })?;
    let mut text = String::with_capacity(32);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}
