#![allow(clippy::unwrap_used)]

use insta::assert_snapshot;
use proptest::prelude::*;

use super::{Number, NumberError, Value};
use crate::redact::sensitive_strings;
use crate::types::Type;

fn number(text: &str) -> Number {
    Number::parse(text).unwrap()
}

#[test]
fn numbers_are_written_as_read_without_idle_zeros() {
    let same = [
        "0",
        "-1",
        "0.1",
        "-0.25",
        "12345678901234567890123456789.5",
        "9223372036854775808",
        "-9223372036854775809",
    ];
    for text in same {
        assert_eq!(number(text).to_string(), text);
    }
    let table = [
        ("1.50", "1.5"),
        ("1e3", "1000"),
        ("1E-3", "0.001"),
        ("-0", "0"),
        ("+5", "5"),
        ("007", "7"),
        ("1.0e+2", "100"),
        ("0e0", "0"),
    ];
    for (text, wanted) in table {
        assert_eq!(number(text).to_string(), wanted, "{text}");
    }
    for text in [
        "", "-", ".5", "5.", "1e", "0x10", "1_000", " 1", "1 ", "NaN", "inf", "1e1e1", "--1",
        "+-1", "１",
    ] {
        assert_eq!(Number::parse(text), Err(NumberError::Malformed), "{text}");
    }
}

#[test]
fn absurd_sizes_are_refused_at_once() {
    let huge = "9".repeat(30_000);
    for text in [
        "1e999999999",
        "-1e999999999",
        "1e-999999999",
        "1e99999999999999999999999",
        "1e10001",
        &huge,
    ] {
        assert_eq!(Number::parse(text), Err(NumberError::TooLarge), "{text}");
    }
    assert_eq!(number("1e9999").to_string().len(), 10_000);
    assert_eq!(
        number("1e9999").multiply(&number("10")),
        Err(NumberError::TooLarge)
    );
    assert_eq!(number("2").power(u32::MAX), Err(NumberError::TooLarge));
    assert_eq!(number("1").power(u32::MAX), Ok(number("1")));
    assert_eq!(number("0e999999999"), Number::ZERO);
}

#[test]
fn equal_numbers_are_one() {
    assert_eq!(number("1.0"), Number::from(1_i64));
    assert_eq!(number("1e2"), number("100.00"));
    assert_eq!(
        number("0.5").add(&number("0.5")).unwrap(),
        Number::from(1_i64)
    );
    assert_eq!(
        number("9223372036854775808")
            .subtract(&number("1"))
            .unwrap()
            .to_i64(),
        Some(i64::MAX)
    );
    assert_eq!(
        Number::from(i64::MIN).negate().to_string(),
        "9223372036854775808"
    );
    assert_eq!(
        Number::from(i64::MIN).remainder(&Number::from(-1_i64)),
        Ok(Number::ZERO)
    );
    assert_eq!(
        Number::from(i64::MIN)
            .divide(&Number::from(-1_i64))
            .unwrap()
            .to_string(),
        "9223372036854775808"
    );
}

#[test]
fn numbers_become_other_numbers_where_they_fit() {
    assert_eq!(number("18446744073709551615").to_u64(), Some(u64::MAX));
    assert_eq!(number("18446744073709551616").to_u64(), None);
    assert_eq!(number("-1").to_u64(), None);
    assert_eq!(number("1.5").to_i64(), None);
    assert_eq!(number("1.5").to_u64(), None);
    assert!((number("0.1").to_f64() - 0.1).abs() < f64::EPSILON);
    assert_eq!(number("1e400").to_f64(), f64::INFINITY);
    assert_eq!(Number::from_f64(0.1).unwrap().to_string(), "0.1");
    assert_eq!(Number::from_f64(f64::NAN), None);
    assert_eq!(number("-1.5").floor(), number("-2"));
    assert_eq!(number("2.5").round_to(0), number("2"));
}

proptest! {
    #[test]
    fn small_and_large_integers_follow_the_same_rules(a in any::<i64>(), b in any::<i64>()) {
        let (x, y) = (Number::from(a), Number::from(b));
        let (a, b) = (i128::from(a), i128::from(b));
        prop_assert_eq!(x.add(&y).unwrap().to_string(), (a + b).to_string());
        prop_assert_eq!(x.subtract(&y).unwrap().to_string(), (a - b).to_string());
        prop_assert_eq!(x.multiply(&y).unwrap().to_string(), (a * b).to_string());
        prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        if b != 0 {
            prop_assert_eq!(x.remainder(&y).unwrap().to_string(), (a % b).to_string());
            prop_assert_eq!(x.divide(&y).unwrap().multiply(&y).unwrap(), x);
        }
    }

    #[test]
    fn decimals_add_up_exactly(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000) {
        let hundredth = |n: i64| Number::from(n).divide(&Number::from(100_i64)).unwrap();
        prop_assert_eq!(hundredth(a).add(&hundredth(b)).unwrap(), hundredth(a + b));
    }

    #[test]
    fn json_text_can_be_read_again(text in "\\PC*", number in any::<f64>()) {
        let number = Number::from_f64(number).map_or_else(|| Value::null(Type::Any), Value::number);
        let value = Value::object([("a", Value::tuple([Value::string(text), number]))]);
        let json = value.to_json_text().unwrap();
        prop_assert_eq!(Value::from_json_text(&json).unwrap(), value);
    }
}

fn keyring() -> Value {
    let secret = |text: &str| Value::string(text).mark(true);
    Value::object([
        ("user", Value::string("root")),
        ("password", secret("hunter2")),
        (
            "keys",
            Value::strings(["line 1\nline 2", "", " "]).mark(true),
        ),
        ("port", Value::number(22_i64).mark(true)),
    ])
}

#[test]
fn what_is_shown_to_people() {
    let value = Value::object([
        (
            "a key",
            Value::tuple([Value::null(Type::Any), Value::bool(true)]),
        ),
        ("text", Value::string("tab\t \"quote\" ${x} $5 \u{7}")),
        ("later", Value::unknown(Type::String)),
        ("empty", Value::object::<&str>([])),
    ]);
    assert_snapshot!(value.display(), @r#"{ "a key" = [null, true], empty = {}, later = (known at run time), text = "tab\t \"quote\" $${x} $5 \u0007" }"#);
    assert_snapshot!(keyring().display(), @r#"{ keys = (sensitive), password = (sensitive), port = (sensitive), user = "root" }"#);
}

#[test]
fn marks_stay_where_they_are() {
    let value = keyring();
    assert!(!value.is_sensitive());
    assert!(value.contains_sensitive());
    let plain = value.strip_marks();
    assert!(!plain.contains_sensitive());
    assert_eq!(
        plain.get("password").and_then(Value::as_str),
        Some("hunter2")
    );
    let set = Value::set(
        Type::String,
        [
            Value::string("b").mark(true),
            Value::string("a"),
            Value::string("b"),
        ],
    );
    assert!(set.is_sensitive());
    assert_eq!(set.len(), Some(2));
    assert!(set.parts().all(|part| !part.is_sensitive()));
}

#[test]
fn secrets_are_found_line_by_line() {
    let wanted = ["hunter2", "line 1", "line 1\nline 2", "line 2"];
    assert_eq!(sensitive_strings(&keyring()), wanted);
    assert!(sensitive_strings(&keyring().strip_marks()).is_empty());
    let whole = keyring().strip_marks().mark(true);
    assert!(sensitive_strings(&whole).contains(&"root".to_owned()));
}

#[test]
fn json_for_components() {
    let json = keyring().to_json().unwrap();
    assert_eq!(json["password"], "hunter2");
    assert_eq!(json["port"], 22);
    assert_eq!(
        Value::from_json(&json).get("port"),
        Some(&Value::number(22_i64))
    );
    let later = Value::object([(
        "a",
        Value::tuple([Value::object([("b c", Value::unknown(Type::Any))])]),
    )]);
    let error = later.to_json().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the value.a[0][\"b c\"] is known only at run time"
    );
    assert_eq!(Value::number(number("0.5")).to_json().unwrap(), 0.5);
    assert_eq!(
        Value::number(number("18446744073709551615"))
            .to_json()
            .unwrap(),
        u64::MAX
    );
}

#[test]
fn elements_come_with_their_keys() {
    let shown = |value: &Value| {
        let pairs = value
            .elements()
            .map(|(key, part)| format!("{}: {}", key.display(), part.display()));
        pairs.collect::<Vec<_>>().join(", ")
    };
    assert_eq!(shown(&Value::strings(["a", "b"])), r#"0: "a", 1: "b""#);
    assert_eq!(
        shown(&Value::set(Type::Number, [2_i64, 1, 2].map(Value::from))),
        "1: 1, 2: 2"
    );
    assert_eq!(
        shown(&Value::object([("b", true.into()), ("a", "x".into())])),
        r#""a": "x", "b": true"#
    );
    assert_eq!(shown(&Value::from("text")), "");
}
