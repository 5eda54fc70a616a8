//! The XML of answers as trees, so that they can be looked at and changed: bytes in, [`Element`] out, and back.
//!
//! An element of AWS has either children or a text, never a mixture.

use std::collections::BTreeMap;

use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::{BytesStart, Event};

/// An element with everything below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    attributes: String,
    pub(crate) children: Vec<Element>,
    pub(crate) text: String,
}

impl Element {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn with_text(name: &str, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::new(name)
        }
    }

    pub(crate) fn with_children(name: &str, children: Vec<Element>) -> Self {
        Self {
            children,
            ..Self::new(name)
        }
    }

    /// The tree of a document; `None` when it is no XML.
    pub(crate) fn parse(document: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(document).ok()?;
        let mut reader = quick_xml::Reader::from_str(text);
        // The outermost "element" holds the document's.
        let mut open = vec![Element::default()];
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => open.push(opened(&start)),
                Event::Empty(start) => open.last_mut()?.children.push(opened(&start)),
                Event::End(_) => {
                    let mut closed = open.pop()?;
                    if !closed.children.is_empty() {
                        closed.text.clear();
                    }
                    open.last_mut()?.children.push(closed);
                }
                Event::Text(text) => open.last_mut()?.text.push_str(&text),
                Event::CData(text) => open.last_mut()?.text.push_str(&text),
                Event::GeneralRef(reference) => {
                    let resolved = match reference.resolve_char_ref().ok()? {
                        Some(character) => character.to_string(),
                        None => resolve_predefined_entity(&reference)?.to_owned(),
                    };
                    open.last_mut()?.text.push_str(&resolved);
                }
                Event::Eof => break,
                _ => {}
            }
        }
        match open.as_mut_slice() {
            [document] => document.children.pop(),
            _ => None,
        }
    }

    /// The document of this tree.
    pub(crate) fn document(&self) -> Vec<u8> {
        let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
        self.write(&mut text);
        text.into_bytes()
    }

    fn write(&self, out: &mut String) {
        let Self {
            name, attributes, ..
        } = self;
        out.push_str(&format!("<{name}{attributes}>"));
        out.push_str(&escape(&self.text));
        for child in &self.children {
            child.write(out);
        }
        out.push_str(&format!("</{name}>"));
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The child of that name, made where there is none.
    pub(crate) fn child_mut(&mut self, name: &str) -> &mut Element {
        let at = self.children.iter().position(|child| child.name == name);
        let at = at.unwrap_or_else(|| {
            self.children.push(Element::new(name));
            self.children.len() - 1
        });
        &mut self.children[at]
    }

    /// The element at a path such as `instanceState/name`.
    pub(crate) fn at(&self, path: &str) -> Option<&Element> {
        path.split('/')
            .try_fold(self, |element, name| element.child(name))
    }

    /// The text at a path; empty when there is none.
    pub(crate) fn text_at(&self, path: &str) -> &str {
        self.at(path).map_or("", |element| &element.text)
    }

    /// Gives the element at a path that text, and makes it where there is none.
    pub(crate) fn set(&mut self, path: &str, text: impl Into<String>) {
        let element = path
            .split('/')
            .fold(self, |element, name| element.child_mut(name));
        element.children.clear();
        element.text = text.into();
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.children.retain(|child| child.name != name);
    }

    /// The members of the list at a path.
    pub(crate) fn items(&self, path: &str) -> &[Element] {
        self.at(path).map_or(&[], |list| &list.children)
    }

    /// Every element of that name below this one, outermost first.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> Vec<&'a Element> {
        let mut found = Vec::new();
        for child in &self.children {
            if child.name == name {
                found.push(child);
            }
            found.extend(child.all(name));
        }
        found
    }

    /// All texts below this one by their paths; members of lists (`item`) by their number, from 1.
    pub(crate) fn by_path(&self) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        self.collect("", &mut texts);
        texts
    }

    fn collect(&self, path: &str, texts: &mut BTreeMap<String, String>) {
        let mut items = 0;
        for child in &self.children {
            let name = match child.name.as_str() {
                "item" => {
                    items += 1;
                    items.to_string()
                }
                name => name.to_owned(),
            };
            let path = match path {
                "" => name,
                path => format!("{path}/{name}"),
            };
            if child.children.is_empty() {
                texts.insert(path.clone(), child.text.clone());
            }
            child.collect(&path, texts);
        }
    }

    /// The texts of [`Self::all`].
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let found = self.all(name).into_iter();
        found.map(|element| element.text.clone()).collect()
    }
}

fn opened(start: &BytesStart<'_>) -> Element {
    let name = start.name().as_ref().to_owned();
    let attributes = start.attributes_raw().to_owned();
    Element {
        attributes,
        ..Element::new(&name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_document_comes_back_with_what_was_changed() {
        let document =
            br#"<?xml version="1.0"?><A xmlns="urn:x"><set><item><id>i-1</id><text>a &lt; b &amp; &#99;</text></item></set><empty/></A>"#;
        let mut tree = Element::parse(document).unwrap();
        assert_eq!(tree.items("set")[0].text_at("text"), "a < b & c");
        assert_eq!(tree.texts("id"), ["i-1"]);
        tree.child_mut("set").children[0].set("state/name", "pending");
        let written = tree.document();
        assert_eq!(Element::parse(&written).unwrap(), tree);
        let written = String::from_utf8(written).unwrap();
        assert!(written.contains("<A xmlns=\"urn:x\">"), "{written}");
        assert!(written.contains("a &lt; b &amp; c"), "{written}");
        assert!(
            written.contains("<state><name>pending</name></state>"),
            "{written}"
        );
    }

    #[test]
    fn texts_have_paths() {
        let tree =
            Element::parse(b"<A><set><item><id>1</id></item><item><id>2</id></item></set><x/></A>")
                .unwrap();
        let texts = tree.by_path();
        let texts: Vec<_> = texts
            .iter()
            .map(|(path, text)| (&**path, &**text))
            .collect();
        assert_eq!(texts, [("set/1/id", "1"), ("set/2/id", "2"), ("x", "")]);
    }

    #[test]
    fn what_is_no_document_is_none() {
        for text in ["", "not implemented", "<a><b></a>", "<a>"] {
            assert_eq!(Element::parse(text.as_bytes()), None, "{text}");
        }
    }
}
