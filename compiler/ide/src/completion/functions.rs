//! Functions, with their parameters as placeholders.

use imgc_compiler::functions::{Function, TABLE, signature};

use super::{CompletionKind, Cx, Rank};
use crate::facts;

pub(super) fn complete(cx: &mut Cx<'_>, called: bool) {
    for function in TABLE.iter() {
        let text = match called {
            true => function.name.to_owned(),
            false => call(function),
        };
        let item = cx.push(Rank::Rare, CompletionKind::Function, function.name, text);
        item.snippet = !called;
        item.detail = Some(signature(function));
        item.documentation = Some(facts::function(function));
    }
}

fn call(function: &Function) -> String {
    let params = function.params.iter().zip(1..);
    let mut arguments: Vec<String> = params
        .map(|(param, at)| format!("${{{at}:{}}}", param.name))
        .collect();
    if let Some(variadic) = &function.variadic
        && (variadic.min > 0 || arguments.is_empty())
    {
        let at = arguments.len() + 1;
        arguments.push(format!("${{{at}:{}}}", variadic.param.name));
    }
    format!("{}({})$0", function.name, arguments.join(", "))
}
