//! The texts that must not be shown.
//!
//! In: a value with marks. Out: the strings in its sensitive parts, for whoever writes logs, events and plans.

use std::collections::BTreeSet;

use crate::value::{Data, Value};

/// The strings inside the sensitive parts of a value, sorted, each once. Empty strings and strings of blanks are left
/// out, and so are numbers and bools: their texts occur everywhere, and hiding them would say what they are. Of a
/// string of several lines each line is there as well, since output is hidden line by line.
pub fn sensitive_strings(value: &Value) -> Vec<String> {
    let mut found = BTreeSet::new();
    collect(value, false, &mut found);
    found.into_iter().collect()
}

fn collect(value: &Value, sensitive: bool, found: &mut BTreeSet<String>) {
    let sensitive = sensitive || value.is_sensitive();
    if let (true, Data::String(text)) = (sensitive, value.data()) {
        let lines = text.lines().filter(|_| text.contains('\n'));
        let texts = lines.chain([text.as_str()]);
        found.extend(
            texts
                .map(str::to_owned)
                .filter(|text| !text.trim().is_empty()),
        );
    }
    for part in value.parts() {
        collect(part, sensitive, found);
    }
}
