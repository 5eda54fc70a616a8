//! Bodies without places, to compare: parentheses that say nothing and cuts between texts are not in them.

use imgc_compiler::hir::{Body, Expr, ExprKind, Part};

/// A body as nested words; attributes and blocks in their order.
pub(crate) fn body(body: &Body) -> String {
    let mut out = String::new();
    for attribute in &body.attributes {
        out.push_str(&format!(
            "{} = {}\n",
            attribute.name.text,
            expr(&attribute.value)
        ));
    }
    for block in &body.blocks {
        let labels: Vec<_> = block
            .labels
            .iter()
            .map(|label| label.text.as_str())
            .collect();
        out.push_str(&format!(
            "{} {labels:?} {{\n{}}}\n",
            block.kind.text,
            self::body(&block.body)
        ));
    }
    out
}

/// An expression as nested words.
pub(crate) fn expr(given: &Expr) -> String {
    match &given.kind {
        ExprKind::Error => "(error)".to_owned(),
        ExprKind::Literal(value) => match value.as_number() {
            // `-5` reads as a negation.
            Some(number) if number.is_negative() => format!("(Negate {})", number.negate()),
            _ => value.display(),
        },
        ExprKind::Variable(name) => name.to_string(),
        ExprKind::Template(given) => {
            let is_empty = |part: &&Part| matches!(part, Part::Literal(text) if text.is_empty());
            match given
                .iter()
                .filter(|part| !is_empty(part))
                .collect::<Vec<_>>()[..]
            {
                // The value itself, whatever its type.
                [Part::Interpolation(inner)] => expr(inner),
                _ => parts(given),
            }
        }
        ExprKind::Unary(op, operand) => format!("({op:?} {})", expr(operand)),
        ExprKind::Binary(left, op, right) => format!("({} {op:?} {})", expr(left), expr(right)),
        ExprKind::Conditional(parts) => {
            format!(
                "({} ? {} : {})",
                expr(&parts[0]),
                expr(&parts[1]),
                expr(&parts[2])
            )
        }
        ExprKind::For(given) => format!(
            "(for {:?} {} in {} key {:?} value {} group {} if {:?})",
            given.key.as_ref().map(|name| &name.text),
            given.value.text,
            expr(&given.collection),
            given.result_key.as_ref().map(expr),
            expr(&given.result),
            given.group,
            given.condition.as_ref().map(expr),
        ),
        ExprKind::Splat { operand, each } => format!("(splat {} {})", expr(operand), expr(each)),
        ExprKind::SplatItem => "(item)".to_owned(),
        ExprKind::Index(operand, key) => format!("(index {} {})", expr(operand), expr(key)),
        ExprKind::Attribute(operand, name) => format!("(get {} {})", expr(operand), name.text),
        ExprKind::Call(call) => {
            let arguments: Vec<_> = call.arguments.iter().map(expr).collect();
            format!(
                "(call {} {arguments:?} {})",
                call.name.text, call.expand_last
            )
        }
        ExprKind::Tuple(elements) => {
            format!(
                "(tuple {:?})",
                elements.iter().map(expr).collect::<Vec<_>>()
            )
        }
        ExprKind::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().map(|(k, v)| (expr(k), expr(v))).collect();
            // Their order means nothing.
            entries.sort();
            format!("(object {entries:?})")
        }
        ExprKind::Paren(inner) => expr(inner),
    }
}

/// A text in an interpolation is text.
fn parts(given: &[Part]) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut text = String::new();
    for part in given {
        let sequence = match part {
            Part::Literal(literal) => {
                text.push_str(literal);
                continue;
            }
            Part::Interpolation(inner) => match &inner.kind {
                ExprKind::Literal(value) if value.as_str().is_some() => {
                    text.push_str(value.as_str().unwrap_or_default());
                    continue;
                }
                _ => format!("${{{}}}", expr(inner)),
            },
            Part::If {
                condition,
                then,
                otherwise,
                ..
            } => {
                format!(
                    "%if {} {} {}",
                    expr(condition),
                    parts(then),
                    parts(otherwise)
                )
            }
            Part::For {
                key,
                value,
                collection,
                body,
                ..
            } => format!(
                "%for {:?} {} in {} {}",
                key.as_ref().map(|name| &name.text),
                value.text,
                expr(collection),
                parts(body)
            ),
        };
        if !text.is_empty() {
            out.push(format!("{:?}", std::mem::take(&mut text)));
        }
        out.push(sequence);
    }
    if out.is_empty() {
        // Texts alone.
        return imgc_compiler::value::Value::string(text).display();
    }
    if !text.is_empty() {
        out.push(format!("{text:?}"));
    }
    format!("(template {})", out.join(" "))
}
