//! Files and pages that a template names.

use std::path::{Path, PathBuf};

use imgc_compiler::hir::{Attribute, Body, Expr, ExprKind};
use imgc_compiler::source::World as _;

use crate::analysis::{Analysis, Cancellable};
use crate::grammar::Inside;
use crate::index::literal;
use crate::locate;
use crate::outside::Surroundings;
use crate::template::Template;
use crate::text::TextRange;

/// A text that leads elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentLink {
    /// The text, without quotes.
    pub range: TextRange,
    /// Where it leads.
    pub target: LinkTarget,
}

/// Where a link leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkTarget {
    /// A file or a directory.
    Path(PathBuf),
    /// A page of the web.
    Url(String),
}

/// More links than this are not looked for in a file.
const MOST: usize = 2_000;

/// The functions whose first argument is a path.
const FUNCTIONS: &[&str] = &[
    "file",
    "filebase64",
    "fileexists",
    "filemd5",
    "filesha1",
    "filesha256",
    "filesha512",
    "templatefile",
];

pub(crate) fn of(analysis: &Analysis, path: &Path) -> Cancellable<Vec<DocumentLink>> {
    let Some((template, file)) = analysis.template_at(path)? else {
        return Ok(Vec::new());
    };
    let Some(body) = template.body(file) else {
        return Ok(Vec::new());
    };
    if template.file(file).gives_values {
        return Ok(Vec::new());
    }
    let world = analysis.surroundings(&template.root);
    let mut walk = Walk {
        analysis,
        template: &template,
        world: &world,
        found: Vec::new(),
    };
    walk.body(body, Inside::top(), &mut Vec::new())?;
    let mut found = walk.found;
    found.sort_by_key(|link| link.range);
    found.dedup();
    Ok(found)
}

struct Walk<'a> {
    analysis: &'a Analysis,
    template: &'a Template,
    world: &'a Surroundings,
    found: Vec<DocumentLink>,
}

impl Walk<'_> {
    fn body<'b>(
        &mut self,
        body: &'b Body,
        inside: Inside,
        blocks: &mut Vec<&'b imgc_compiler::hir::Block>,
    ) -> Cancellable<()> {
        self.analysis.check()?;
        for attribute in &body.attributes {
            if self.found.len() < MOST {
                self.attribute(attribute, inside);
            }
        }
        for block in &body.blocks {
            blocks.push(block);
            let inner = locate::inside(Inside::top(), blocks);
            self.body(&block.body, inner, blocks)?;
            blocks.pop();
        }
        Ok(())
    }

    fn attribute(&mut self, attribute: &Attribute, inside: Inside) {
        let name = attribute.name.text.as_str();
        let core = match inside {
            Inside::Core(core) => core.name,
            _ => "",
        };
        if core == "module" && name == "source" {
            if let Some(text) = literal(&attribute.value).filter(|text| text.starts_with('.')) {
                self.path(&attribute.value, Path::new(&text));
            }
        } else if core == "required_plugins" {
            self.plugin(&attribute.value);
        } else {
            let opt = inside.option(name);
            let reads = opt.and_then(|opt| opt.schema()?.reads);
            match reads {
                Some(_) => self.texts(&attribute.value),
                None if name == "http_directory" => self.texts(&attribute.value),
                None => {}
            }
        }
        self.calls(&attribute.value);
    }

    /// A path, or a list of them.
    fn texts(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Tuple(elements) => {
                for element in elements {
                    self.texts(element);
                }
            }
            _ => {
                if let Some(text) = self.text(expr) {
                    self.path(expr, Path::new(&text));
                }
            }
        }
    }

    /// A string without interpolation but for `path.root` and `path.cwd`.
    fn text(&self, expr: &Expr) -> Option<String> {
        if let Some(text) = literal(expr) {
            return Some(text);
        }
        let names = self.template.compilation.names.as_deref()?;
        let references = imgc_compiler::eval::references(expr);
        let all_paths = references.iter().all(|found| found.root == "path");
        let plain = matches!(expr.kind, ExprKind::Template(_));
        if !plain || !all_paths {
            return None;
        }
        let mut cx = imgc_compiler::eval::Context::new(self.world, &self.template.root);
        let place = imgc_compiler::scope::Place::block(names);
        let value = imgc_compiler::eval::evaluate(expr, &place, &mut cx);
        value.as_str().map(str::to_owned)
    }

    fn calls(&mut self, expr: &Expr) {
        if let ExprKind::Call(call) = &expr.kind
            && FUNCTIONS.contains(&call.name.text.as_str())
            && let Some(argument) = call.arguments.first()
            && let Some(text) = self.text(argument)
        {
            self.path(argument, Path::new(&text));
        }
        for child in locate::children(expr) {
            self.calls(child);
        }
    }

    fn plugin(&mut self, expr: &Expr) {
        let ExprKind::Object(entries) = &expr.kind else {
            return;
        };
        for (key, value) in entries {
            let source = literal(key).filter(|key| key == "source");
            let Some(text) = source.and_then(|_| literal(value)) else {
                continue;
            };
            // `github.com/OWNER/NAME` stands for the repository `packer-plugin-NAME`.
            if let [host, owner, name] = text.split('/').collect::<Vec<_>>()[..] {
                let url = format!("https://{host}/{owner}/packer-plugin-{name}");
                self.add(value, LinkTarget::Url(url));
            }
        }
    }

    fn path(&mut self, expr: &Expr, path: &Path) {
        let path = match (path.strip_prefix("~"), self.world.home()) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => self.world.resolve(path),
        };
        if self.world.kind(&path).is_ok() {
            self.add(expr, LinkTarget::Path(plain(&path)));
        }
    }

    fn add(&mut self, expr: &Expr, target: LinkTarget) {
        let text = self.template.text(expr.span);
        let quotes = u32::from(text.len() >= 2 && text.starts_with('"') && text.ends_with('"'));
        let range = TextRange::new(expr.span.start + quotes, expr.span.end - quotes);
        self.found.push(DocumentLink { range, target });
    }
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::fixture::{Seen, fixture, name};
    use crate::links::LinkTarget;

    #[test]
    fn links() {
        let mut seen = Seen::default();
        let cases = [
            "build {\n  provisioner \"shell\" {\n    scripts = [\"a.sh\", \"none.sh\", \"${path.root}/s/b.sh\"]\n  }\n}\n//- a.sh\n//- s/b.sh\n",
            "packer {\n  required_plugins {\n    amazon = { source = \"github.com/hashicorp/amazon\", version = \">= 1\" }\n  }\n}\n",
            "module \"m\" { source = \"./m\" }\nlocals { x = file(\"x.txt\") }\n//- m/a.pkr.hcl\n//- x.txt\n",
            "//- a.json\n{\"builders\": [{\"type\": \"null\"}], \"provisioners\": [{\"type\": \"shell\", \"script\": \"a.sh\"}]}\n//- a.sh\n",
        ];
        for case in cases {
            let f = fixture(case);
            let text = f.analysis.text(&f.path).unwrap();
            let found = f.analysis.document_links(&f.path).unwrap();
            let shown = found.iter().map(|link| {
                let target = match &link.target {
                    LinkTarget::Path(path) => name(path),
                    LinkTarget::Url(url) => url.clone(),
                };
                format!("{} -> {target}", link.range.of(&text))
            });
            seen.add(case, &shown.collect::<Vec<_>>().join("\n   "));
        }
        seen.check("links");
    }
}
