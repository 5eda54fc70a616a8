//! Values that a component refuses though their types are right: forms of texts, numbers out of bounds, ranges that end
//! before they begin.
//!
//! What is checked is what the components check before anything runs; what only a download or a machine can tell is not.

use imgc_syntax::Span;

use super::{Given, Subject};
use crate::diagnostic::{Diagnostic, Severity, nearest};
use crate::eval::Context;
use crate::schema::{Attribute, Format};
use crate::value::{Number, Value};

/// Checks a number against the smallest and the largest one that are accepted.
pub(super) fn bounds(
    name: &str,
    schema: &Attribute,
    number: &Number,
    span: Span,
    cx: &mut Context<'_>,
) {
    let Some(number) = whole(number) else { return };
    let limit = match (schema.least, schema.most) {
        (Some(least), _) if number < least => format!("at least {least}"),
        (_, Some(most)) if number > most => format!("at most {most}"),
        _ => return,
    };
    let message = format!("`{name}` is {limit}");
    cx.report(
        Diagnostic::error("check/invalid-value", span, message)
            .help(format!("write a number that is {limit}")),
    );
}

/// Checks the form of a text.
pub(super) fn form(
    name: &str,
    format: Format,
    value: &Value,
    text: &str,
    span: Span,
    cx: &mut Context<'_>,
) {
    let problem = match format {
        Format::Checksum => checksum(text),
        Format::Size => size(text),
        Format::Duration => None,
    };
    let Some(problem) = problem else { return };
    let message = match value.contains_sensitive() {
        true => format!("`{name}` has a value that is not accepted"),
        false => format!("`{name}` cannot be `{text}`: {problem}"),
    };
    let mut diagnostic = Diagnostic::error("check/invalid-value", span, message)
        .help(format!("write {}", format.describe()));
    if !text.contains(char::is_alphanumeric) {
        // The parts it is made of have no values yet: `:` of a kind and its digits.
        diagnostic.severity = Severity::Warning;
    }
    cx.report(diagnostic);
}

/// Kinds of checksums that downloads are held against.
const KINDS: [&str; 4] = ["md5", "sha1", "sha256", "sha512"];

/// What is wrong with a checksum: `none`, `file:PLACE`, `KIND:DIGITS`, or the digits alone.
fn checksum(text: &str) -> Option<String> {
    if text == "none" {
        return None;
    }
    let digits = match text.split_once(':') {
        Some(("file", place)) => {
            let missing = place.is_empty();
            return missing.then(|| "the place of the file is missing".to_owned());
        }
        Some((kind, digits)) => {
            if !KINDS.iter().any(|known| known.eq_ignore_ascii_case(kind)) {
                let near = nearest(kind, KINDS).map(|near| format!("did you mean `{near}`?"));
                let known = || {
                    format!(
                        "the kinds are {}",
                        crate::module::quoted_list(KINDS.into_iter())
                    )
                };
                return Some(format!(
                    "there is no checksum of the kind `{kind}`; {}",
                    near.unwrap_or_else(known)
                ));
            }
            digits
        }
        None => text,
    };
    if let Some(stray) = digits.chars().find(|c| !c.is_ascii_hexdigit()) {
        return Some(format!("`{stray}` is no hexadecimal digit"));
    }
    (digits.len() % 2 == 1).then(|| "the number of its digits is odd".to_owned())
}

/// What is wrong with a size: digits and at most one unit.
fn size(text: &str) -> Option<String> {
    let digits = text.strip_suffix(|c: char| "bkmgt".contains(c.to_ascii_lowercase()));
    let digits = digits.unwrap_or(text);
    let wrong = digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit());
    wrong
        .then(|| "a size is a whole number and one of the units `b`, `k`, `m`, `g`, `t`".to_owned())
}

/// Checks that ranges of ports (`vnc_port_min`, `vnc_port_max`) begin before they end, with the defaults of what is not
/// given.
pub(super) fn ranges(subject: &Subject<'_>, given: &Given, cx: &mut Context<'_>) {
    for name in subject.component.body.attributes.keys() {
        let Some(stem) = name.strip_suffix("_port_min") else {
            continue;
        };
        let last = format!("{stem}_port_max");
        let (Some(low), Some(high)) = (port(subject, given, name), port(subject, given, &last))
        else {
            continue;
        };
        let (Some(place), true) = (given.place(name).or_else(|| given.place(&last)), low > high)
        else {
            continue;
        };
        let default = |name: &str| match given.place(name) {
            Some(_) => "",
            None => ", its default",
        };
        let message = format!(
            "`{name}` of {} is {low}{}, and `{last}` is {high}{}",
            subject.what,
            default(name),
            default(&last),
        );
        let mut diagnostic = Diagnostic::error("check/invalid-value", place, message);
        if let Some(other) = given.place(&last).filter(|other| *other != place) {
            diagnostic = diagnostic.label(other, "the last of the ports");
        }
        cx.report(diagnostic.help("let the first of the ports be no larger than the last"));
    }
}

/// The number of a port as the component will see it, if that is known. Zero is as good as not given.
fn port(subject: &Subject<'_>, given: &Given, name: &str) -> Option<i64> {
    let default = || {
        let attribute = subject.component.body.attributes.get(name)?;
        attribute.default?.json().as_i64()
    };
    match given.attributes.get(name) {
        None => default(),
        Some((value, _)) if value.is_null() => default(),
        Some((value, _)) if value.contains_sensitive() => None,
        Some((value, _)) => match whole(value.as_number()?)? {
            0 => default(),
            port => Some(port),
        },
    }
}

fn whole(number: &Number) -> Option<i64> {
    number.to_string().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{checksum, size};

    #[test]
    fn checksums_have_a_form() {
        let digits = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for right in [
            "none",
            "file:https://images.example/SUMS",
            "file:./SUMS",
            digits,
            &format!("sha256:{digits}"),
            &format!("SHA256:{}", digits.to_uppercase()),
            "md5:",
        ] {
            assert_eq!(checksum(right), None, "{right}");
        }
        for wrong in [
            "NONE",
            "none:x",
            "sha256:abc",
            "abc",
            "sha512",
            "foo:abcd",
            "file:",
            "md5:zz",
        ] {
            assert!(checksum(wrong).is_some(), "{wrong}");
        }
    }

    #[test]
    fn sizes_have_one_unit() {
        for right in ["10", "10G", "10g", "10b", "0", "40960M", "1T", "5k"] {
            assert_eq!(size(right), None, "{right}");
        }
        for wrong in ["10X", "10GB", "1.5G", "-1", "G", "10 G", "10KiB", "10P"] {
            assert!(size(wrong).is_some(), "{wrong}");
        }
    }
}
