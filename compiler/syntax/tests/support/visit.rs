//! Visits all of a tree; also a part of the fuzz target.

use imgc_syntax::hcl::SyntaxNode;
use imgc_syntax::hcl::ast::*;

/// Calls every accessor of every view in a tree; gives its depth.
pub(crate) fn visit(root: &SyntaxNode) -> u32 {
    let mut deepest = 0;
    for node in root.descendants() {
        deepest = deepest.max(node.ancestors().count());
        let (start, end) = (
            u32::from(node.text_range().start()),
            u32::from(node.text_range().end()),
        );
        if let Some(expr) = Expr::cast(node.clone()) {
            assert_eq!(expr.range(), (start, end));
            visit_expr(&expr);
        }
        if let Some(item) = Item::cast(node.clone()) {
            match item {
                Item::Attribute(attribute) => drop((attribute.name(), attribute.expr())),
                Item::Block(block) => {
                    drop((
                        block.block_type(),
                        block.body(),
                        block.is_one_line(),
                        block.header_range(),
                    ));
                    for label in block.labels() {
                        drop((label.text(), label.is_quoted(), label.text_range()));
                    }
                }
            }
        }
        if let Some(item) = ObjectItem::cast(node) {
            drop((item.key(), item.value()));
        }
    }
    u32::try_from(deepest).expect("a tree is not that deep")
}

fn visit_expr(expr: &Expr) {
    match expr {
        Expr::Literal(literal) => drop(literal.kind()),
        Expr::Variable(variable) => drop(variable.name()),
        Expr::Template(template) => {
            visit_parts(&template.parts());
            drop((
                template.as_literal(),
                template.single_interpolation(),
                template.content_range(),
            ));
        }
        Expr::Heredoc(heredoc) => {
            visit_parts(&heredoc.parts());
            drop((
                heredoc.marker(),
                heredoc.is_indented(),
                heredoc.as_literal(),
            ));
        }
        Expr::Unary(unary) => drop((unary.op(), unary.operand())),
        Expr::Binary(binary) => drop((
            binary.op(),
            binary.op_range(),
            binary.left(),
            binary.right(),
        )),
        Expr::Conditional(conditional) => drop((
            conditional.condition(),
            conditional.if_true(),
            conditional.if_false(),
        )),
        Expr::For(for_expr) => {
            drop((
                for_expr.key_var(),
                for_expr.value_var(),
                for_expr.collection(),
                for_expr.condition(),
            ));
            drop((
                for_expr.key(),
                for_expr.value(),
                for_expr.is_grouped(),
                for_expr.is_object(),
            ));
        }
        Expr::Traversal(traversal) => {
            drop(traversal.base());
            visit_steps(&traversal.steps());
        }
        Expr::Call(call) => drop((
            call.name(),
            call.name_range(),
            call.args().count(),
            call.args_range(),
            call.is_expanded(),
        )),
        Expr::Tuple(tuple) => drop(tuple.elements().count()),
        Expr::Object(object) => drop(object.items().count()),
        Expr::Paren(paren) => drop(paren.expr()),
    }
}

fn visit_steps(steps: &[Step]) {
    for step in steps {
        let (start, end) = step.range();
        assert!(start <= end);
        match step {
            Step::GetAttr(step) => drop(step.name()),
            Step::LegacyIndex(step) => drop(step.number()),
            Step::Index(step) => drop(step.key()),
            Step::AttrSplat(splat) | Step::FullSplat(splat) => visit_steps(splat.each()),
        }
    }
}

fn visit_parts(parts: &[TemplatePart]) {
    for part in parts {
        match part {
            TemplatePart::Literal(literal) => {
                let alone = matches!(parts, [TemplatePart::Interpolation(_), _]);
                assert!(alone || !literal.text.is_empty());
                assert!(literal.range.0 < literal.range.1)
            }
            TemplatePart::Interpolation(part) => {
                drop((part.expr(), part.strips_left(), part.strips_right()))
            }
            TemplatePart::If(part) => {
                drop((part.condition(), part.range()));
                visit_parts(&part.then_parts);
                visit_parts(part.else_parts.as_deref().unwrap_or_default());
            }
            TemplatePart::For(part) => {
                drop((
                    part.key_var(),
                    part.value_var(),
                    part.collection(),
                    part.range(),
                ));
                visit_parts(&part.parts);
            }
        }
    }
}
