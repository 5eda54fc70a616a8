//! Laws that hold for all values, tried with many.

use imgc_compiler::convert::convert;
use imgc_compiler::types::Type;
use imgc_compiler::value::{Number, Value};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::world::{Outcome, evaluate_text};

/// The value of an expression in which some names are known.
fn eval(text: &str, names: &[(&str, Value)]) -> Value {
    match evaluate_text(text, names) {
        Outcome::Value(value) => value,
        Outcome::Problems(problems) => panic!("{text}: {}", problems[0].0.message),
    }
}

/// Whether an expression is true.
fn holds(text: &str, names: &[(&str, Value)]) -> bool {
    eval(text, names).as_bool() == Some(true)
}

fn number(text: &str) -> Value {
    Value::number(Number::parse(text).unwrap())
}

/// Whole numbers and decimals.
fn numbers() -> impl Strategy<Value = Value> {
    (-1_000_000_000_i64..1_000_000_000, 0_usize..6)
        .prop_map(|(digits, places)| number(&format!("{digits}e-{places}")))
}

/// Texts with quotes, line ends, accents, emoji, and what templates and YAML care about.
fn texts() -> impl Strategy<Value = String> {
    "[a-z0-9 \\-:#%\\$\\{\\}\"'\\\\\n\téß☃🤷,.]{0,12}"
}

fn words() -> impl Strategy<Value = Vec<String>> {
    vec("[a-zé]{0,4}", 0..8)
}

/// Values as JSON has them.
fn json_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::null(Type::Any)),
        any::<bool>().prop_map(Value::bool),
        numbers(),
        texts().prop_map(Value::string),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::tuple),
            btree_map("[a-z -]{0,5}", inner, 0..5).prop_map(Value::object),
        ]
    })
}

/// Types that values may be converted to.
fn types() -> impl Strategy<Value = Type> {
    let leaf = prop_oneof![
        Just(Type::Any),
        Just(Type::String),
        Just(Type::Number),
        Just(Type::Bool),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(Type::list),
            inner.clone().prop_map(Type::set),
            inner.clone().prop_map(Type::map),
            vec(inner.clone(), 0..3).prop_map(Type::tuple),
            btree_map("[a-c]", inner, 0..3).prop_map(Type::object),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_converted_stays_as_it_is(value in json_values(), ty in types()) {
        if let Ok(once) = convert(&value, &ty) {
            let twice = convert(&once, &ty);
            prop_assert_eq!(twice.as_ref(), Ok(&once), "{} to {}", value.display(), ty);
            let own = convert(&once, &once.ty());
            prop_assert_eq!(own.as_ref(), Ok(&once), "{} to {}", once.display(), once.ty());
        }
    }

    #[test]
    fn json_gives_back_what_it_was_given(value in json_values()) {
        let back = eval("jsondecode(jsonencode(v))", &[("v", value.clone())]);
        prop_assert_eq!(back, value);
    }

    #[test]
    fn json_is_what_another_encoder_writes(value in json_values()) {
        let ours = eval("jsonencode(v)", &[("v", value.clone())]);
        let read: serde_json::Value = serde_json::from_str(ours.as_str().unwrap()).unwrap();
        let known = serde_json::to_value(value.to_json().unwrap()).unwrap();
        prop_assert!(same(&read, &known), "{read} {known}");
    }

    #[test]
    fn yaml_gives_back_what_it_was_given(value in json_values()) {
        let back = eval("yamldecode(yamlencode(v))", &[("v", value.clone())]);
        prop_assert_eq!(back, value);
    }

    #[test]
    fn base64_gives_back_what_it_was_given(text in texts()) {
        let names = [("t", Value::string(text.as_str()))];
        prop_assert!(holds("base64decode(base64encode(t)) == t", &names));
        let call = "textdecodebase64(textencodebase64(t, \"UTF-16LE\"), \"UTF-16LE\") == t";
        prop_assert!(holds(call, &names));
    }

    #[test]
    fn arithmetic_has_its_laws(a in numbers(), b in numbers(), c in numbers()) {
        let names = [("a", a), ("b", b), ("c", c)];
        for law in [
            "a + b == b + a",
            "a * b == b * a",
            "(a + b) + c == a + (b + c)",
            "(a * b) * c == a * (b * c)",
            "a * (b + c) == a * b + a * c",
            "a - b + b == a",
            "-(-a) == a",
            "a + 0 == a && a * 1 == a && a * 0 == 0",
            "abs(a * b) == abs(a) * abs(b)",
            "signum(a) * abs(a) == a",
            "floor(a) <= a && a < floor(a) + 1",
            "ceil(a) == -floor(-a)",
            "max(a, b) + min(a, b) == a + b",
            "sum([a, b, c]) == a + b + c",
            "pow(a, 3) == a * a * a",
            "b == 0 ? true : abs(a % b) < abs(b)",
            "b == 0 ? true : floor((a - a % b) / b) == (a - a % b) / b",
            "(a < b) == (b > a) && (a <= b) != (b < a)",
            "convert(convert(a, string), number) == a",
        ] {
            prop_assert!(holds(law, &names), "{law} {:?}", names.each_ref().map(|(_, v)| v.display()));
        }
    }

    #[test]
    fn whole_numbers_are_formatted_as_printf_does(n in any::<i32>(), width in 0_usize..14) {
        let names = [("n", Value::number(i64::from(n)))];
        let format = |verb: &str| eval(&format!("format(\"{verb}\", n)"), &names).as_str().unwrap().to_owned();
        prop_assert_eq!(format("%d"), format!("{n}"));
        prop_assert_eq!(format("%+d"), format!("{n:+}"));
        prop_assert_eq!(format(&format!("%{width}d")), format!("{n:width$}"));
        prop_assert_eq!(format(&format!("%-{width}d")), format!("{n:<width$}"));
        prop_assert_eq!(format(&format!("%0{width}d")), format!("{n:0width$}"));
        let sign = if n < 0 { "-" } else { "" };
        let size = n.unsigned_abs();
        prop_assert_eq!(format("%x"), format!("{sign}{size:x}"));
        prop_assert_eq!(format("%X"), format!("{sign}{size:X}"));
        prop_assert_eq!(format("%o"), format!("{sign}{size:o}"));
        prop_assert_eq!(format("%b"), format!("{sign}{size:b}"));
        prop_assert!(holds("parseint(format(\"%x\", n), 16) == n && parseint(format(\"%b\", n), 2) == n", &names));
    }

    /// Eighths are exact in binary and in decimal, so that no rounding differs.
    #[test]
    fn decimals_are_formatted_as_printf_does(eighths in -1_000_000_i32..1_000_000, places in 3_usize..8, width in 0_usize..20) {
        let exact = f64::from(eighths) / 8.0;
        let names = [("n", number(&exact.to_string()))];
        let format = |verb: &str| eval(&format!("format(\"{verb}\", n)"), &names).as_str().unwrap().to_owned();
        prop_assert_eq!(format(&format!("%.{places}f")), format!("{exact:.places$}"));
        prop_assert_eq!(format(&format!("%{width}.{places}f")), format!("{exact:width$.places$}"));
        prop_assert_eq!(format(&format!("%-{width}.{places}f")), format!("{exact:<width$.places$}"));
        prop_assert_eq!(format(&format!("%+0{width}.{places}f")), format!("{exact:+0width$.places$}"));
    }

    #[test]
    fn texts_are_padded_as_printf_does(text in "[a-zé ]{0,9}", width in 0_usize..12, length in 0_usize..12) {
        let names = [("t", Value::string(text.as_str()))];
        let format = |verb: &str| eval(&format!("format(\"{verb}\", t)"), &names).as_str().unwrap().to_owned();
        prop_assert_eq!(format(&format!("%{width}s")), format!("{text:>width$}"));
        prop_assert_eq!(format(&format!("%-{width}s")), format!("{text:<width$}"));
        prop_assert_eq!(format(&format!("%.{length}s")), format!("{text:.length$}"));
        prop_assert_eq!(format(&format!("%{width}.{length}s")), format!("{text:>width$.length$}"));
    }

    #[test]
    fn dates_are_those_of_another_library(seconds in -60_000_000_000_i64..200_000_000_000, hours in -30_000_i64..30_000) {
        let time = jiff::Timestamp::from_second(seconds).unwrap();
        let names = [("t", Value::string(time.to_string())), ("s", Value::number(seconds))];
        let zoned = time.to_zoned(jiff::tz::TimeZone::UTC);
        for (ours, theirs) in [
            ("YYYY-MM-DD'T'hh:mm:ss", "%Y-%m-%dT%H:%M:%S"),
            ("EEEE, D MMMM YYYY", "%A, %-d %B %Y"),
            ("EEE MMM DD YY", "%a %b %d %y"),
            ("HH:mm AA", "%I:%M %p"),
            ("h:m:s M", "%-H:%-M:%-S %-m"),
            ("ZZZZ ZZZZZ", "%z %:z"),
        ] {
            let found = eval(&format!("formatdate(\"{ours}\", t)"), &names);
            prop_assert_eq!(found.as_str().unwrap(), zoned.strftime(theirs).to_string());
        }
        prop_assert!(holds("unix_timestamp_parse(s).rfc3339 == t && rfc3339_parse(t).unix == s", &names));
        let there_and_back = format!("timeadd(timeadd(t, \"{hours}h\"), \"{}h\") == t", -hours);
        prop_assert!(holds(&there_and_back, &names));
    }

    #[test]
    fn lists_have_their_laws(words in words(), cut in 0_usize..8, size in 1_usize..5) {
        let cut = cut.min(words.len());
        let names = [
            ("l", Value::strings(words.iter().map(String::as_str))),
            ("cut", Value::number(cut)),
            ("size", Value::number(size)),
        ];
        for law in [
            "reverse(reverse(l)) == l",
            "concat(slice(l, 0, cut), slice(l, cut, length(l))) == l",
            "flatten(chunklist(l, size)) == [for w in l : w]",
            "alltrue([for c in chunklist(l, size) : length(c) <= size])",
            "sort(sort(l)) == sort(l) && length(sort(l)) == length(l)",
            "sort(reverse(l)) == sort(l)",
            "distinct(distinct(l)) == distinct(l)",
            "setunion(l, l) == convert(l, set(string))",
            "setintersection(l, slice(l, 0, cut)) == convert(slice(l, 0, cut), set(string))",
            "length(distinct(l)) == length(setunion(l))",
            "compact(l) == convert([for w in l : w if w != \"\"], list(string))",
            "alltrue([for w in l : contains(l, w)])",
            "alltrue([for w in l : element(l, index(l, w)) == w])",
            "length(l) == 0 ? true : split(\",\", join(\",\", l)) == l",
            "length(setproduct(l, l)) == length(l) * length(l)",
            "keys(zipmap(l, l)) == sort(distinct(l))",
            "formatlist(\"<%s>\", l) == convert([for w in l : \"<${w}>\"], list(string))",
        ] {
            prop_assert!(holds(law, &names), "{law} {words:?} {cut} {size}");
        }
    }

    #[test]
    fn texts_have_their_laws(text in texts(), other in "[a-z]{1,3}") {
        let names = [("t", Value::string(text.as_str())), ("o", Value::string(other.as_str()))];
        for law in [
            "strrev(strrev(t)) == t",
            "length(strrev(t)) == length(t)",
            "substr(t, 0, length(t)) == t && substr(t, 0, -1) == t",
            "\"${substr(t, 0, 3)}${substr(t, 3, -1)}\" == t || length(t) < 3",
            "trimprefix(\"${o}${t}\", o) == t && trimsuffix(\"${t}${o}\", o) == t",
            "startswith(\"${o}${t}\", o) && endswith(\"${t}${o}\", o) && strcontains(\"${t}${o}${t}\", o)",
            "join(o, split(o, t)) == t",
            "replace(t, o, o) == t && !strcontains(replace(t, o, \"_\"), o)",
            "lower(lower(t)) == lower(t) && upper(upper(t)) == upper(t)",
            "trimspace(trimspace(t)) == trimspace(t)",
            "chomp(\"${chomp(t)}\\n\") == chomp(t)",
            "length(sha256(t)) == 64 && length(md5(t)) == 32",
            "regex_replace(t, \"[^a-z]\", \"\") == join(\"\", regexall(\"[a-z]\", t))",
        ] {
            prop_assert!(holds(law, &names), "{law} {text:?} {other:?}");
        }
    }

    #[test]
    fn subnets_are_in_their_network(address in any::<u32>(), prefix in 0_u32..25, bits in 0_u32..8, at in any::<u32>()) {
        let network = format!("{}/{prefix}", std::net::Ipv4Addr::from(address));
        let at = at & ((1 << bits) - 1);
        let names = [
            ("n", Value::string(network.as_str())),
            ("bits", Value::number(i64::from(bits))),
            ("at", Value::number(i64::from(at))),
        ];
        let subnet = eval("cidrsubnet(n, bits, at)", &names).as_str().unwrap().to_owned();
        let (base, length) = subnet.split_once('/').unwrap();
        prop_assert_eq!(length, (prefix + bits).to_string());
        let base = u32::from(base.parse::<std::net::Ipv4Addr>().unwrap());
        let mask = |length: u32| u32::MAX.checked_shl(32 - length).unwrap_or(0);
        let wanted = address & mask(prefix) | at.checked_shl(32 - prefix - bits).unwrap_or(0);
        prop_assert_eq!(base, wanted);
        let netmask = eval("cidrnetmask(n)", &names).as_str().unwrap().to_owned();
        prop_assert_eq!(u32::from(netmask.parse::<std::net::Ipv4Addr>().unwrap()), mask(prefix));
        let first = eval("cidrhost(n, 0)", &names).as_str().unwrap().to_owned();
        prop_assert_eq!(u32::from(first.parse::<std::net::Ipv4Addr>().unwrap()), address & mask(prefix));
    }
}

/// Equal but for how numbers are written.
fn same(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    use serde_json::Value as Json;
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}
