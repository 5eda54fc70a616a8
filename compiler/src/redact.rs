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

/// Whether a text says so little else that it can be hidden wherever it stands: it has sixteen characters or more, or eight
/// with digits and letters, or with small and capital letters, among them. `vagrant`, `packer`, `root` and `changeme` are
/// none: they stand in names and paths everywhere. What a template declares as sensitive is hidden whatever it looks like;
/// this is about values of options such as `ssh_password` that nobody has declared.
pub fn is_distinctive(text: &str) -> bool {
    let text = text.trim();
    let has = |is: fn(char) -> bool| text.contains(is);
    match text.chars().count() {
        16.. => true,
        8.. => {
            let letters = has(char::is_lowercase) || has(char::is_uppercase);
            letters && has(|c| c.is_ascii_digit())
                || has(char::is_lowercase) && has(char::is_uppercase)
        }
        _ => false,
    }
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
