use super::expression::MAX_BYTES;
use super::*;

/// Returns the value of a few properties, by their path in an expression.
fn find(name: &Name) -> Option<Value> {
    let text = |text: &str| Some(Value::Text(text.into()));
    let last = name.path.last().map_or("", String::as_str);
    match (name.kind, last) {
        (Kind::Method, _) => text("POST"),
        (Kind::Path, _) => text("/v1/search"),
        (Kind::Host, _) => text("api.example.com"),
        (Kind::Header, "x-tenant") | (Kind::Query, "q") => text("acme"),
        (Kind::Address, _) => text("192.0.2.1"),
        (Kind::Authenticated, _) => Some(Value::Bool(true)),
        (Kind::Claim, "tier") => text("pro"),
        (Kind::Claim, "level") => Some(Value::Number(3.0)),
        (Kind::Claim, "ratio") => Some(Value::Number(0.5)),
        (Kind::Claim, "roles") => {
            Some(Value::List(vec![Value::Text(b"dev".into()), Value::Text(b"admin".into())]))
        }
        (Kind::RouteMetadata, "team") => text("search"),
        _ => None,
    }
}

#[test]
fn an_expression_reads_a_requests_properties() {
    for (text, expected) in [
        ("true", true),
        ("request.method == 'POST'", true),
        ("request.method in ['GET', 'HEAD']", false),
        ("request.path.startsWith('/v1/')", true),
        ("request.host.endsWith('.example.com') && source.address != '192.0.2.2'", true),
        ("request.headers['x-tenant'] == 'acme'", true),
        ("'x-tenant' in request.headers", true),
        ("'x-other' in request.headers", false),
        ("has(request.headers.other)", false),
        ("request.query.q.contains('cm')", true),
        ("size(request.query['q']) == 4", true),
        ("has(request.cookies.session) || authenticated", true),
        ("claims.tier == 'pro'", true),
        ("claims['tier'] == 'pro'", true),
        ("has(claims.tier)", true),
        ("has(claims.other)", false),
        ("claims.level == 3 && claims.level >= 2.5", true),
        ("claims.level + 1 == 4", true),
        ("claims.ratio < 1", true),
        ("'admin' in claims.realm_access.roles", true),
        ("'x' in claims.roles", false),
        ("claims.roles.exists(r, r.startsWith('adm'))", true),
        ("claims.roles.all(r, size(r) > 3)", false),
        ("size(claims.roles.filter(r, r != 'dev')) == 1", true),
        ("claims.roles.exists(r, r == 'ad' + 'm' + claims.other || r + '' + '' == 'dev')", true),
        ("claims.roles.filter(r, r != 'dev').filter(r, true).exists(r, r == 'admin')", true),
        ("route.metadata['com.example'].team == 'search'", true),
        ("has(metadata['envoy.lb'].canary)", false),
        ("int('7') == 7 && string(7) == '7'", true),
        ("claims.tier == 'free' ? false : !false", true),
        ("claims.other == 'x' || claims.tier == 'pro'", true),
    ] {
        let when = When::parse(text).unwrap_or_else(|bad| panic!("{text}: {bad:?}"));
        assert_eq!(when.evaluate(find), Ok(expected), "{text}");
    }
}

#[test]
fn an_expression_without_a_value_fails() {
    for (text, error) in [
        ("claims.other == 'x'", "No such key: other"),
        ("claims.tier", "expected true or false, found string"),
        ("claims.tier > 3", "found no matching overload for '_>_' applied to '(string, int)'"),
        ("1 / 0 == 1", "division by zero"),
        ("claims.tier + 1 == 'x'", "cannot add string and int"),
        ("claims.level * 9223372036854775807 == 1", "the result of mul is too large"),
        ("claims.roles[9] == 'x'", "index out of bounds"),
        ("claims.roles[1.5] == 'x'", "cannot index list with float"),
        (
            "int(claims.tier) == 1",
            "Error executing function 'int': string parse error: invalid digit found in string",
        ),
    ] {
        assert_eq!(When::parse(text).unwrap().evaluate(find), Err(error.to_owned()), "{text}");
    }
}

#[test]
fn only_named_properties_are_fetched() {
    let when = When::parse("claims.a.b == 'x' && request.headers['x-a'] == 'y'").unwrap();
    let names: Vec<_> =
        when.expression.names.iter().map(|name| (name.kind, name.path.join("."))).collect();
    assert_eq!(names, [(Kind::Header, "x-a".to_owned()), (Kind::Claim, "a.b".to_owned())]);
}

#[test]
fn a_mistake_has_its_position() {
    for (text, expected) in [
        ("", "line 1, column 1: "),
        ("a ==", "line 1, column 5: "),
        ("claims.tier == 'a' &&\n  clams.x", "line 2, column 3: unknown name clams.x: "),
        (
            "request.headers.exists(h, h == 'x')",
            "line 1, column 1: expected request.headers with a name written out",
        ),
        (
            "request.headers[request.method] == 'x'",
            "line 1, column 1: expected request.headers with a name",
        ),
        (
            "request.metod == 'x'",
            "line 1, column 1: unknown name request.metod: did you mean request.method?",
        ),
        ("request.path.x == 'x'", "line 1, column 14: request.path has no field \"x\""),
        ("request.headers['X-A'] == 'x'", "line 1, column 18: expected a header name in lowercase"),
        (
            "request.path.matches('x')",
            "line 1, column 14: unknown function matches: use a regex condition",
        ),
        (
            "claims.r.exists(1)",
            "line 1, column 10: unknown function exists: expected exists(x, condition)",
        ),
        ("foo(1)", "line 1, column 1: unknown function foo: expected one of size, "),
        ("claims.a == 'x' || claims.a.b == 'y'", "line 1, column 8: \"a\" is used both as a value"),
        ("claims.r.exists(a, claims.r.exists(b, a == b))", "line 1, column 36: expected no macro"),
        (
            "claims.r.map(r, r + r) == []",
            "line 1, column 10: expected no macro map, as its list can grow: use exists or all",
        ),
        ("{'a': 1}.a == 1", "line 1, column 1: expected a condition without mappings"),
    ] {
        let bad = When::parse(text).unwrap_err();
        let first = bad.first().unwrap().to_string();
        assert!(first.starts_with(expected), "{text:?}: {first}");
    }
}

#[test]
fn a_mistake_is_reported_once() {
    let bad = When::parse("clams.x == 1 || clams.x == 2").unwrap_err();
    assert_eq!(bad.len(), 1, "{bad:?}");
}

#[test]
fn an_expression_is_bounded() {
    let wide = vec!["true"; 200].join("&&");
    let cases = [
        ("long", format!("'{}' == 'a'", "a".repeat(MAX_BYTES))),
        ("brackets", format!("{}true{}", "(".repeat(101), ")".repeat(101))),
        ("negations", format!("{}true", "!".repeat(101))),
        ("deep", format!("{}1 == 60", "1+".repeat(60))),
        ("wide", wide),
        ("additions", format!("claims.r.exists(r, r == '' {})", "+ claims.r".repeat(5))),
    ];
    for (what, text) in cases {
        let bad = When::parse(&text).unwrap_err();
        assert!(
            bad.iter().any(|bad| bad.reason.starts_with("expected at most")),
            "{what}: {bad:?}"
        );
    }
}

#[test]
fn a_longer_list_than_any_token_has_cannot_be_evaluated() {
    let when = When::parse("'x' in claims.roles").unwrap();
    let list = |items: usize| Value::List(vec![Value::Bool(true); items]);
    let evaluate = |value: Value| when.evaluate(|_| Some(value.clone()));
    assert_eq!(evaluate(list(1_000)), Ok(false));
    let error = "expected lists of at most 1000 items, found 1001".to_owned();
    assert_eq!(evaluate(list(1_001)), Err(error.clone()));
    assert_eq!(evaluate(Value::List(vec![list(1_000)])), Err(error));
}
