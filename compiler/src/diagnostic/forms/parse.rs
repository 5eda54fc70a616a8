//! The little of HCL that help texts show.

/// A block, an attribute or an object.
#[derive(Debug)]
pub(super) enum Form<'t> {
    /// `…`.
    Gap,
    /// `name = value`.
    Attribute(&'t str, Value<'t>),
    /// `kind "label" { … }`.
    Block(&'t str, Vec<&'t str>, Vec<Form<'t>>),
    /// `{ name = … }`.
    Object(Vec<Form<'t>>),
}

/// The value of an attribute.
#[derive(Debug)]
pub(super) enum Value<'t> {
    /// `…`.
    Gap,
    /// What JSON and TOML write alike: a text in its quotes, a number, `true`; and `null`.
    Plain(&'t str),
    List(Vec<Value<'t>>),
    Object(Vec<Form<'t>>),
    /// Anything else.
    Expression(&'t str),
}

/// The form that a text is, if it is one.
pub(super) fn form(text: &str) -> Option<Form<'_>> {
    let mut parser = Parser { rest: text };
    let form = match parser.eat("{") {
        true => Form::Object(parser.forms()?),
        false => parser.form()?,
    };
    let whole = parser.rest.is_empty() && !matches!(form, Form::Gap);
    whole.then_some(form)
}

struct Parser<'t> {
    rest: &'t str,
}

impl<'t> Parser<'t> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.blanks();
        let behind = self.rest.strip_prefix(token);
        self.rest = behind.unwrap_or(self.rest);
        behind.is_some()
    }

    fn split(&mut self, at: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(at);
        self.rest = rest;
        taken
    }

    fn name(&mut self) -> Option<&'t str> {
        self.blanks();
        let inside = |character: char| character.is_alphanumeric() || "_-.".contains(character);
        let end = self.rest.find(|character| !inside(character));
        let name = self.split(end.unwrap_or(self.rest.len()));
        let starts = name.starts_with(|first: char| first.is_alphabetic() || first == '_');
        starts.then_some(name)
    }

    /// A text without its quotes.
    fn label(&mut self) -> Option<&'t str> {
        self.blanks();
        let behind = self.rest.strip_prefix('"')?;
        let (label, rest) = behind.split_once('"')?;
        self.rest = rest;
        Some(label)
    }

    fn form(&mut self) -> Option<Form<'t>> {
        if self.eat("…") {
            return Some(Form::Gap);
        }
        let name = self.name()?;
        self.blanks();
        if self.rest.starts_with("= ") {
            self.eat("=");
            return Some(Form::Attribute(name, self.value()?));
        }
        let mut labels = Vec::new();
        while let Some(label) = self.label() {
            labels.push(label);
        }
        if !self.eat("{") {
            return None;
        }
        Some(Form::Block(name, labels, self.forms()?))
    }

    /// What is in braces, up to the closing one.
    fn forms(&mut self) -> Option<Vec<Form<'t>>> {
        let mut forms = Vec::new();
        while !self.eat("}") {
            forms.push(self.form()?);
            if !self.eat(";") {
                self.eat(",");
            }
        }
        Some(forms)
    }

    fn value(&mut self) -> Option<Value<'t>> {
        if self.eat("…") {
            return Some(Value::Gap);
        }
        if self.eat("[") {
            let mut elements = Vec::new();
            while !self.eat("]") {
                elements.push(self.value()?);
                self.eat(",");
            }
            return Some(Value::List(elements));
        }
        let before = self.rest;
        if self.eat("{") {
            if let Some(members) = self.forms() {
                return Some(Value::Object(members));
            }
            self.rest = before;
        }
        let text = self.split(expression(self.rest)).trim_end();
        let is_text = text.starts_with('"') && text_end(text) == Some(text.len());
        match text {
            "" => None,
            "true" | "false" | "null" => Some(Value::Plain(text)),
            text if is_text || text.parse::<f64>().is_ok() => Some(Value::Plain(text)),
            text => Some(Value::Expression(text)),
        }
    }
}

/// Where the text in quotes ends that stands at the beginning.
fn text_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Where an expression ends: at what separates it from the next, outside of its own brackets.
fn expression(text: &str) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while at < text.len() {
        match text.as_bytes()[at] {
            b'"' => {
                at += text_end(&text[at..]).unwrap_or(text.len() - at);
                continue;
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' | b',' | b';' if depth == 0 => break,
            b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    at
}
