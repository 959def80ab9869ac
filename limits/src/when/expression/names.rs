//! The properties of a request that an expression names. Called by [`super::Expression::parse`].
//!
//! A name must be written out (`claims.tier`, `request.headers['x-a']`), so that only named
//! properties are fetched.

use crate::when::name::{Kind, Name};
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, operators};
use strsim::jaro_winkler;

/// The deepest nesting of operators and calls. Evaluation recurses as deep.
const MAX_DEPTH: usize = 50;
/// The most parts of an expression. Evaluating one takes time in proportion to it.
const MAX_PARTS: usize = 300;

/// The most additions within macros. Each can copy a whole list or text for each item.
const MAX_ADDITIONS: usize = 4;

/// A mistake in an expression that its grammar allows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    /// The text to point to.
    pub(super) name: String,
    pub(super) reason: String,
}

/// The result of a macro so far, which no expression can name.
const RESULT: &str = "@result";

/// The functions that an expression can call, besides operators and macros.
const FUNCTIONS: [&str; 10] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "string",
    "int",
    "uint",
    "double",
    "bool",
    "type",
];

/// The macros, whose calls the parser expands if they have a variable and a condition.
const MACROS: [&str; 4] = ["all", "exists", "exists_one", "filter"];

/// Returns the properties that `expression` names, sorted.
///
/// # Errors
/// Fails with all mistakes found.
pub(super) fn of(expression: &IdedExpr) -> Result<Vec<Name>, Vec<Mistake>> {
    let mut found = Found::default();
    found.visit(expression, 0);
    if found.parts > MAX_PARTS {
        found.mistake("", &format!("expected at most {MAX_PARTS} names, literals and operators"));
    }
    if found.additions > MAX_ADDITIONS {
        found.mistake("", &format!("expected at most {MAX_ADDITIONS} additions within macros"));
    }
    found.names.sort();
    found.names.dedup();
    for (shorter, longer) in found.names.iter().zip(found.names.iter().skip(1)) {
        if shorter.kind == longer.kind && longer.path.starts_with(&shorter.path) {
            let name = shorter.path.last().cloned().unwrap_or_default();
            let reason = format!("{name:?} is used both as a value and as a mapping");
            found.mistakes.push(Mistake { name, reason });
        }
    }
    if found.mistakes.is_empty() { Ok(found.names) } else { Err(found.mistakes) }
}

#[derive(Default)]
struct Found {
    names: Vec<Name>,
    mistakes: Vec<Mistake>,
    parts: usize,
    /// Additions within macros.
    additions: usize,
    /// The variables of the enclosing macros.
    variables: Vec<String>,
}

impl Found {
    fn visit(&mut self, expression: &IdedExpr, depth: usize) {
        self.parts += 1;
        if depth > MAX_DEPTH {
            return self.mistake("", &format!("expected at most {MAX_DEPTH} nested operators"));
        }
        let depth = depth + 1;
        if let Some(path) = path(expression) {
            return self.name(&path);
        }
        match &expression.expr {
            Expr::Call(call) => {
                self.function(&call.func_name);
                self.additions += usize::from(self.is_addition(call));
                if let (operators::IN, [key, map]) = (call.func_name.as_str(), call.args.as_slice())
                    && let (Some(key), Some(mut path)) = (text(key), path(map))
                    && is_mapping(&path)
                {
                    path.push(key);
                    return self.name(&path);
                }
                call.target.iter().for_each(|target| self.visit(target, depth));
                call.args.iter().for_each(|argument| self.visit(argument, depth));
            }
            Expr::Comprehension(all) => {
                self.visit(&all.iter_range, depth);
                self.visit(&all.accu_init, depth);
                if !self.variables.is_empty() {
                    self.mistake(&all.iter_var, "expected no macro such as exists within another");
                }
                if is_map(all) {
                    self.mistake(
                        "map",
                        "expected no macro map, as its list can grow: use exists or all",
                    );
                }
                let before = self.variables.len();
                self.variables.extend([all.iter_var.clone(), all.accu_var.clone()]);
                self.variables.extend(all.iter_var2.clone());
                for part in [&all.loop_cond, &all.loop_step, &all.result] {
                    self.visit(part, depth);
                }
                self.variables.truncate(before);
            }
            Expr::List(list) => list.elements.iter().for_each(|element| self.visit(element, depth)),
            Expr::Select(select) => self.visit(&select.operand, depth),
            Expr::Map(_) | Expr::Struct(_) => {
                self.mistake("{", "expected a condition without mappings");
            }
            Expr::Literal(_) | Expr::Ident(_) | Expr::Unspecified => {}
        }
    }

    fn name(&mut self, path: &[String]) {
        let Some(first) = path.first() else { return };
        if self.variables.contains(first) {
            return;
        }
        let has = |kind: &&Kind| kind.fixed().iter().zip(path).all(|(one, other)| one == other);
        let is_long_enough = |kind: &&Kind| kind.fixed().len() <= path.len();
        let Some(kind) = Kind::ALL.iter().filter(is_long_enough).find(has) else {
            return self.unknown(path);
        };
        let rest = path.get(kind.fixed().len()..).unwrap_or_default();
        let (least, most) = kind.follow();
        if rest.len() < least {
            let fixed = kind.fixed().join(".");
            self.mistake(
                &fixed,
                &format!("expected {fixed} with a name written out, such as {fixed}['x']"),
            );
        } else if rest.len() > most {
            let extra = rest.get(most).cloned().unwrap_or_default();
            self.mistake(&extra, &format!("{} has no field {extra:?}", kind.fixed().join(".")));
        } else if let Some(name) =
            rest.iter().find(|name| *kind == Kind::Header && has_uppercase(name))
        {
            self.mistake(name, &format!("expected a header name in lowercase, found {name:?}"));
        } else {
            self.names.push(Name { kind: *kind, path: rest.to_vec() });
        }
    }

    fn unknown(&mut self, path: &[String]) {
        let found = path.iter().take(2).cloned().collect::<Vec<_>>().join(".");
        let known = Kind::ALL.map(|kind| kind.fixed().join("."));
        let similar = known
            .iter()
            .max_by(|one, other| jaro_winkler(one, &found).total_cmp(&jaro_winkler(other, &found)));
        let similar = similar.filter(|similar| jaro_winkler(similar, &found) > 0.8);
        let hint = match similar {
            Some(similar) => format!("did you mean {similar}?"),
            None => format!("expected one of {}", known.join(", ")),
        };
        self.mistake(&found, &format!("unknown name {found}: {hint}"));
    }

    /// Returns true for an addition within a macro, other than the macro's own to its result.
    fn is_addition(&self, call: &CallExpr) -> bool {
        let is_own = |first: &IdedExpr| matches!(&first.expr, Expr::Ident(name) if name == RESULT);
        call.func_name == operators::ADD
            && !self.variables.is_empty()
            && !call.args.first().is_some_and(is_own)
    }

    fn function(&mut self, name: &str) {
        let is_operator = !name.starts_with(|c: char| c.is_ascii_alphabetic());
        if !is_operator && !FUNCTIONS.contains(&name) {
            let hint = match name {
                "matches" => "use a regex condition beside when".to_owned(),
                _ if MACROS.contains(&name) => format!("expected {name}(x, condition)"),
                _ => format!("expected one of {}", FUNCTIONS.join(", ")),
            };
            self.mistake(name, &format!("unknown function {name}: {hint}"));
        }
    }

    /// Adds a mistake, once.
    fn mistake(&mut self, name: &str, reason: &str) {
        let mistake = Mistake { name: name.to_owned(), reason: reason.to_owned() };
        if !self.mistakes.contains(&mistake) {
            self.mistakes.push(mistake);
        }
    }
}

/// Returns the names of `expression` if it is a chain of them, such as `claims.a['b']`.
fn path(expression: &IdedExpr) -> Option<Vec<String>> {
    match &expression.expr {
        Expr::Ident(name) => Some(vec![name.clone()]),
        Expr::Select(select) => joined(&select.operand, select.field.clone()),
        Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::INDEX, [map, key]) => joined(map, text(key)?),
            _ => None,
        },
        _ => None,
    }
}

fn joined(start: &IdedExpr, name: String) -> Option<Vec<String>> {
    let mut names = path(start)?;
    names.push(name);
    Some(names)
}

fn text(expression: &IdedExpr) -> Option<String> {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner().to_owned()),
        _ => None,
    }
}

/// Returns true if a property's name must follow `path`, so that `'x' in path` asks if there is
/// one.
fn is_mapping(path: &[String]) -> bool {
    Kind::ALL.iter().any(|kind| {
        let (fixed, (least, _)) = (kind.fixed(), kind.follow());
        path.starts_with(&fixed.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
            && (fixed.len()..fixed.len() + least).contains(&path.len())
    })
}

/// Returns true if a macro makes a list of anything but items of the list that it walks. In a chain of
/// such macros, each could make its list several times as large.
fn is_map(all: &ComprehensionExpr) -> bool {
    matches!(all.accu_init.expr, Expr::List(_)) && !is_filter(all)
}

/// Returns true if a macro's step is `condition ? result + [item] : result`.
fn is_filter(all: &ComprehensionExpr) -> bool {
    let is_item =
        |item: &IdedExpr| matches!(&item.expr, Expr::Ident(name) if *name == all.iter_var);
    if let Expr::Call(step) = &all.loop_step.expr
        && let [_, taken, _] = step.args.as_slice()
        && let Expr::Call(add) = &taken.expr
        && let Some(Expr::List(list)) = add.args.last().map(|last| &last.expr)
    {
        return list.elements.iter().all(is_item);
    }
    false
}

fn has_uppercase(name: &str) -> bool {
    name.contains(|c: char| c.is_ascii_uppercase())
}
