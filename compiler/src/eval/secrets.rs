//! The secrets that calls give, wherever they end up.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use crate::value::{Data, Value};

/// The texts and numbers that calls gave in sensitive values, each once. What hides secrets must know them by
/// themselves: of `"T=${vault(…)}; run"` only the whole text is a value of the plan, and programs print its middle.
#[derive(Clone, Default)]
pub struct Secrets(BTreeMap<SmolStr, Value>);

impl Secrets {
    /// The values, each marked, in the order of their texts.
    pub fn into_values(self) -> Vec<Value> {
        self.0.into_values().collect()
    }

    /// Keeps what is sensitive in the result of a call. What the template itself wrote among the arguments, such as the
    /// `"none"` of `coalesce(var.token, "none")`, is no secret though its mark says so.
    pub(super) fn keep(&mut self, result: &Value, arguments: &[Value]) {
        if !result.contains_sensitive() {
            return;
        }
        let given = arguments.iter().any(Value::contains_sensitive);
        let declared = !given || arguments.iter().any(Value::contains_declared_sensitive);
        let plain = |text: &str| {
            let mut plain = arguments.iter().filter(|one| !one.contains_sensitive());
            plain.any(|one| one.as_str() == Some(text))
        };
        self.walk(result, (false, declared), &plain);
    }

    fn walk(
        &mut self,
        value: &Value,
        (sensitive, declared): (bool, bool),
        plain: &dyn Fn(&str) -> bool,
    ) {
        let sensitive = sensitive || value.is_sensitive();
        let text = match value.data() {
            Data::String(text) => Some(text.clone()),
            Data::Number(number) => Some(number.to_string().into()),
            _ => None,
        };
        if let Some(text) = text.filter(|text| sensitive && !text.trim().is_empty() && !plain(text))
        {
            let marked = value.strip_marks().mark(declared).mark_by_nature(!declared);
            let kept = self.0.entry(text).or_insert_with(|| marked.clone());
            if declared {
                *kept = marked;
            }
        }
        for part in value.parts() {
            self.walk(part, (sensitive, declared), plain);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::eval::fixture::secrets;

    #[test]
    fn what_a_call_gives_is_kept_by_itself_wherever_it_ends_up() {
        let vault = "vault(\"secret/data/web\", \"password\")";
        for (text, wanted) in [
            (format!("\"T=${{{vault}}}; run\""), "battery-staple"),
            (
                format!("join(\" \", [\"run\", {vault}])"),
                "battery-staple, run battery-staple",
            ),
            (
                format!("[for x in [1] : {{ a = {vault} }}]"),
                "battery-staple",
            ),
            (
                format!("\"x ${{upper({vault})}}\""),
                "BATTERY-STAPLE, battery-staple",
            ),
            (
                format!("templatefile(\"motd.tpl\", {{ name = {vault} }})"),
                "battery-staple",
            ),
            ("\"x ${consul_key(\"web/token\")} y\"".to_owned(), "t0ken"),
            (
                "\"x ${aws_secretsmanager(\"web\", \"key\")} y\"".to_owned(),
                "a-value",
            ),
            (
                "\"x ${aws_secretsmanager_raw(\"web\")} y\"".to_owned(),
                "{\"key\": \"a-value\"}",
            ),
            ("\"x ${upper(keyring.password)}\"".to_owned(), "HUNTER2"),
            (
                "\"x ${jsondecode(\"{\\\"a\\\": \\\"${secret}\\\"}\").a}\"".to_owned(),
                "hunter2",
            ),
            // Of these nothing is secret but what is known already.
            ("\"x ${coalesce(\"none\", secret)}\"".to_owned(), ""),
            ("\"x ${secret}\"".to_owned(), ""),
            ("\"x ${upper(text)}\"".to_owned(), ""),
            ("secret == \"\" ? \"empty\" : \"full\"".to_owned(), ""),
        ] {
            assert_eq!(secrets(&text).join(", "), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_a_secret_only_by_its_option_is_kept_as_that() {
        let natural = Value::string("vagrant").mark_by_nature(true);
        let mut kept = Secrets::default();
        kept.keep(&Value::string("VAGRANT").mark(true), &[natural]);
        let [value] = kept.clone().into_values().try_into().unwrap();
        assert!(value.is_sensitive_by_nature());
        // Who says so counts more.
        let declared = Value::string("vagrant").mark(true);
        kept.keep(&Value::string("VAGRANT").mark(true), &[declared]);
        let [value] = kept.into_values().try_into().unwrap();
        assert!(!value.is_sensitive_by_nature());
    }
}
