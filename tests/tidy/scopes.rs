//! Who may name a company: handlers take one from a proof of `identity`, and read and ask what
//! hangs on it.

use crate::rust;
use crate::tree::{Breach, Tree};

/// Where handlers stand that translate for clients.
const HANDLERS: [&str; 2] = ["src/profiles/", "src/native/"];

/// What they may not call, as the name before `::` or `.` and the names behind it.
const KEPT: [(&str, &[&str]); 3] = [
    ("CompanyId", &["new", "installation"]),
    ("EntityId", &["staff", "companies", "names"]),
    (
        "node",
        &[
            "account",
            "account_and_logins",
            "accounts",
            "accounts_after",
            "desk",
            "profile",
            "profile_of",
            "profiles",
            "audit",
            "companies_after",
            "company_by_no",
            "company_count",
            "company_record",
            "holder_of",
            "plan",
            "plans",
        ],
    ),
];

/// Handlers make no company's name, and read no accounts or companies past a proof.
pub(crate) fn proven(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let handlers = tree
        .rust_files()
        .filter(|(path, _)| HANDLERS.iter().any(|folder| path.starts_with(folder)));
    for (path, text) in handlers {
        let code = rust::code(text);
        let first_test = rust::first_test_line(path, &code);
        for pair in rust::words(&code).windows(2) {
            let [(_, at, before), (line, name_at, name)] = pair else {
                continue;
            };
            let between = code[at + before.len()..*name_at].trim();
            let is_call = matches!(between, "." | "::") && *line < first_test;
            let is_kept = |(of, names): &(&str, &[&str])| of == before && names.contains(name);
            if is_call && KEPT.iter().any(is_kept) {
                let what = format!("`{before}{between}{name}`: take it from a scope of identity");
                breaches.push(Breach::new(path, *line, what));
            }
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_that_names_a_company_is_found() {
        let source = "fn a() { CompanyId::new(text) }\nfn b() { app.node\n    .account(x) }\n";
        let tree = Tree::of(&[("src/profiles/widget/a.rs", source)]);
        let lines: Vec<_> = proven(&tree).iter().map(|breach| breach.line).collect();
        assert_eq!(lines, [1, 3]);
    }

    #[test]
    fn scopes_tests_and_identity_may() {
        let source = "fn a() { scope.account(app, no); person.account() }\n\
                      #[cfg(test)]\nmod tests { fn b() { CompanyId::new(text); } }\n";
        let tree = Tree::of(&[
            ("src/native/a.rs", source),
            ("src/identity/scope.rs", "fn a() { app.node.account(x) }"),
        ]);
        assert!(proven(&tree).is_empty());
    }
}
