//! Every path that a Rust source names, wherever it stands: in a `use`, in an expression, in a macro's arguments.
//! Comments and strings name nothing. It knows no scopes: a path is what is written, from the first name on.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path as written, `use a::{b, c::d}` as `a::b` and `a::c::d`.
pub type Path = Vec<String>;

/// The paths of a source text; the error says why it is none.
pub fn of(source: &str) -> Result<Vec<Path>, String> {
    let tokens: TokenStream = source.parse().map_err(|error| format!("{error}"))?;
    let mut found = Vec::new();
    collect(tokens, &[], &mut found);
    Ok(found)
}

fn collect(tokens: TokenStream, prefix: &[String], found: &mut Vec<Path>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        at += match &tokens[at] {
            TokenTree::Ident(_) => path(&tokens[at..], prefix, found),
            TokenTree::Group(group) => {
                collect(group.stream(), &[], found);
                1
            }
            TokenTree::Punct(punct) if punct.as_char() == '#' && expects(tokens.get(at + 1)) => 2,
            TokenTree::Punct(_) | TokenTree::Literal(_) => 1,
        };
    }
}

/// Reads the path that begins here and says how many tokens it took.
fn path(tokens: &[TokenTree], prefix: &[String], found: &mut Vec<Path>) -> usize {
    let mut path = prefix.to_vec();
    let mut at = 0;
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(name)) => path.push(name.to_string()),
            // The group of a `use`: each part goes on from here.
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace && at > 0 => {
                collect(group.stream(), &path, found);
                return at + 1;
            }
            // `::<` and `::*` end the path.
            Some(_) | None => break,
        }
        at += 1;
        if !(is_colon(tokens.get(at)) && is_colon(tokens.get(at + 1))) {
            break;
        }
        at += 2;
    }
    // `use ::std::fs` and `return ::std::…`: the keyword before a leading `::` is no part of the path.
    let keyword = [
        "use", "return", "in", "as", "mut", "dyn", "impl", "where", "else", "match", "if", "move",
    ];
    if path.len() > 1 && keyword.contains(&path[0].as_str()) {
        path.remove(0);
    }
    found.push(path);
    at
}

fn is_colon(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == ':')
}

/// `#[expect(…)]`, which is about lints and not the method of that name.
fn expects(attribute: Option<&TokenTree>) -> bool {
    let Some(TokenTree::Group(group)) = attribute else {
        return false;
    };
    matches!(group.stream().into_iter().next(), Some(TokenTree::Ident(name)) if name == "expect")
}
