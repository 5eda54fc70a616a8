//! The names before the cursor in a text that is an expression.

/// The names before the one at the cursor: of `var.a["b"].c` with the cursor in `c`, `var`, `a`, `b`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Steps {
    /// In order; `None` is an index that is no plain text.
    pub(crate) names: Vec<Option<String>>,
    /// There is a step before the name whose value nobody can tell: a call, a bracket.
    pub(crate) unknown: bool,
}

impl Steps {
    /// Whether the name at the cursor is the first.
    pub(crate) fn is_start(&self) -> bool {
        self.names.is_empty() && !self.unknown
    }

    /// The names, where all of them are plain.
    pub(crate) fn plain(&self) -> Option<Vec<&str>> {
        match self.unknown {
            true => None,
            false => self.names.iter().map(Option::as_deref).collect(),
        }
    }
}

/// The steps before the name that ends a text, and where that name begins.
pub(crate) fn steps_before(text: &str) -> (Steps, usize) {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let start_of_word = |text: &str| {
        let found = text.char_indices().rev().find(|(_, c)| !is_word(*c));
        found.map_or(0, |(at, c)| at + c.len_utf8())
    };
    let start = start_of_word(text);
    let mut steps = Steps::default();
    let mut rest = &text[..start];
    while let Some(before) = rest.strip_suffix('.') {
        if let Some(open) = before.strip_suffix(']').and_then(|inner| inner.rfind('[')) {
            let inner = before[open + 1..before.len() - 1].trim_matches(['"', '\\']);
            let plain = inner.chars().all(is_word) && !inner.is_empty();
            steps.names.push(plain.then(|| inner.to_owned()));
            let word = start_of_word(&before[..open]);
            if word == open {
                steps.unknown = true;
                break;
            }
            steps.names.push(Some(before[word..open].to_owned()));
            rest = &before[..word];
            continue;
        }
        let word = start_of_word(before);
        if word == before.len() {
            steps.unknown = true;
            break;
        }
        steps.names.push(Some(before[word..].to_owned()));
        rest = &before[..word];
    }
    steps.names.reverse();
    (steps, start)
}

/// The expression after the last `${` or `%{` of a text that is not closed.
pub(crate) fn open_expression(text: &str) -> Option<&str> {
    let mut open = None;
    let mut depth = 0u32;
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'$', Some(b'{')) | (b'%', Some(b'{')) if depth == 0 => {
                // `$${` is text.
                let escaped = at > 0 && bytes[at - 1] == bytes[at];
                if !escaped {
                    depth = 1;
                    open = Some(at + 2);
                }
                at += 1;
            }
            (b'{', _) if depth > 0 => depth += 1,
            (b'}', _) if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    open = None;
                }
            }
            _ => {}
        }
        at += 1;
    }
    open.map(|at| &text[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_before_the_cursor() {
        let names = |text: &str| {
            let (steps, start) = steps_before(text);
            let names: Vec<String> = steps
                .names
                .iter()
                .map(|name| name.clone().unwrap_or("?".to_owned()))
                .collect();
            format!("{}|{}|{}", names.join(","), &text[start..], steps.unknown)
        };
        assert_eq!(names("var.a"), "var|a|false");
        assert_eq!(names("1 + var.b.c."), "var,b,c||false");
        assert_eq!(names("data.x[\"y\"].i"), "data,x,y|i|false");
        assert_eq!(names("f(x).i"), "|i|true");
        assert_eq!(names("wü"), "|wü|false");
        assert_eq!(names("a[0]."), "a,0||false");
        assert_eq!(names(""), "||false");
    }

    #[test]
    fn an_interpolation_is_open_until_its_brace() {
        assert_eq!(open_expression("a ${var."), Some("var."));
        assert_eq!(open_expression("a ${var.x} b"), None);
        assert_eq!(open_expression("a $${var."), None);
        assert_eq!(open_expression("${ { a = 1 }"), Some(" { a = 1 }"));
        assert_eq!(open_expression("%{ if v"), Some(" if v"));
    }
}
