//! Answers that this cloud gives itself, in the form of each service's protocol.

use hyper::body::Bytes;
use serde_json::json;

use super::request::Request;
use super::xml::Element;

/// An answer, ours or moto's.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Bytes,
}

impl Answer {
    fn new(status: u16, kind: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), kind.into())],
            body: body.into(),
        }
    }

    /// An XML document, of EC2's or of the query protocol's.
    pub(crate) fn xml(tree: &Element) -> Self {
        Self::new(200, "text/xml;charset=UTF-8", tree.document())
    }

    /// A JSON document.
    pub(crate) fn json(body: &serde_json::Value) -> Self {
        Self::new(200, "application/x-amz-json-1.1", body.to_string())
    }

    /// EC2's answer to an action, with these members.
    pub(crate) fn ec2(action: &str, members: Vec<Element>) -> Self {
        let mut tree = Element::with_text("requestId", "00000000-0000-4000-8000-000000000000");
        tree = Element::with_children(&format!("{action}Response"), vec![tree]);
        tree.children.extend(members);
        Self::xml(&tree)
    }

    /// EC2's answer to an action that says no more than that it was done.
    pub(crate) fn done(action: &str) -> Self {
        Self::ec2(action, vec![Element::with_text("return", "true")])
    }

    /// An error in the form of the service that was asked.
    pub(crate) fn error(request: &Request, status: u16, code: &str, message: &str) -> Self {
        let id = || Element::with_text("RequestId", "00000000-0000-4000-8000-000000000000");
        let members = || {
            vec![
                Element::with_text("Code", code),
                Element::with_text("Message", message),
            ]
        };
        match request.service.as_str() {
            "ec2" => {
                let error = Element::with_children("Error", members());
                let errors = Element::with_children("Errors", vec![error]);
                let id = Element::with_text("RequestID", "00000000-0000-4000-8000-000000000000");
                let tree = Element::with_children("Response", vec![errors, id]);
                Self::new(status, "text/xml;charset=UTF-8", tree.document())
            }
            "autoscaling" | "iam" | "sts" => {
                let mut error = Element::with_children("Error", members());
                error
                    .children
                    .insert(0, Element::with_text("Type", "Sender"));
                let tree = Element::with_children("ErrorResponse", vec![error, id()]);
                Self::new(status, "text/xml", tree.document())
            }
            "s3" => {
                let mut tree = Element::with_children("Error", members());
                tree.children.push(id());
                Self::new(status, "application/xml", tree.document())
            }
            _ => {
                let body = json!({"__type": code, "message": message});
                let mut answer = Self::new(status, "application/x-amz-json-1.1", body.to_string());
                let kind = ("x-amzn-errortype".to_owned(), code.into());
                answer.headers.push(kind);
                answer
            }
        }
    }

    pub(crate) fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The code of an error, whatever the protocol.
    pub(crate) fn error_code(&self) -> Option<String> {
        if self.status < 400 {
            return None;
        }
        if let Some(tree) = Element::parse(&self.body) {
            let code = tree.texts("Code").into_iter().next();
            return Some(code.unwrap_or_else(|| self.status.to_string()));
        }
        let body = serde_json::from_slice::<serde_json::Value>(&self.body).unwrap_or_default();
        let code = ["__type", "code", "Code"]
            .iter()
            .find_map(|name| body[*name].as_str());
        let code = code.map(|code| code.rsplit('#').next().unwrap_or(code).to_owned());
        Some(code.unwrap_or_else(|| self.status.to_string()))
    }

    /// The tree of an answer that went well.
    pub(crate) fn tree(&self) -> Option<Element> {
        self.is_ok().then(|| Element::parse(&self.body)).flatten()
    }

    /// The same answer with another document.
    pub(crate) fn with_tree(mut self, tree: &Element) -> Self {
        self.body = tree.document().into();
        self
    }
}
