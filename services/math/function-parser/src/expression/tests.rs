use super::*;

fn check(text: &str, x: f64, expected: f64) {
    let found = Expression::parse(text).map(|expression| expression.at(x));
    assert_eq!(found, Ok(expected), "{text} at {x}");
}

fn refused(text: &str, column: usize, what: &str) {
    let error = Expression::parse(text).unwrap_err();
    assert_eq!(
        (error.column, error.what.as_str()),
        (column, what),
        "{text:?}"
    );
}

#[test]
fn precedence_and_associativity() {
    check("1+2*3", 0.0, 7.0);
    check("(1+2)*3", 0.0, 9.0);
    check("8-3-2", 0.0, 3.0);
    check("16/4/2", 0.0, 2.0);
    check("2^3^2", 0.0, 512.0);
    check("-2^2", 0.0, -4.0);
    check("(-2)^2", 0.0, 4.0);
    check("2^-1", 0.0, 0.5);
    check("-x^2", 3.0, -9.0);
    check("2*-3", 0.0, -6.0);
    check("--x", 3.0, 3.0);
    check("-+-x", 3.0, 3.0);
    check("1 - -1", 0.0, 2.0);
    check("2*x^2+3*x-1", 2.0, 13.0);
}

#[test]
fn numbers_and_constants() {
    for (text, value) in [
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1e3),
        ("1.5E-3", 1.5e-3),
        ("2e+2", 200.0),
    ] {
        check(text, 0.0, value);
    }
    check("pi", 0.0, std::f64::consts::PI);
    check("e", 0.0, std::f64::consts::E);
    check(" \tx\n", 4.0, 4.0);
    check("2*e", 0.0, 2.0 * std::f64::consts::E);
}

#[test]
fn functions_are_those_of_the_standard_library() {
    for (name, function) in UNARY {
        for x in [0.3, 0.9] {
            check(&format!("{name}(x)"), x, function(x));
        }
    }
    for (name, function) in BINARY {
        check(&format!("{name}(x, 2)"), 0.3, function(0.3, 2.0));
    }
    check("log(e^2)", 0.0, (std::f64::consts::E.powf(2.0)).ln());
    check(
        "exp(-x^2/2)*cos(5*x)",
        0.7,
        (-0.7f64.powf(2.0) / 2.0).exp() * (5.0 * 0.7f64).cos(),
    );
    assert!(Expression::parse("sqrt(x)").unwrap().at(-1.0).is_nan());
    assert!(Expression::parse("1/x").unwrap().at(0.0).is_infinite());
}

#[test]
fn errors_point_at_the_column() {
    refused("", 1, "expected a number, a name or '(', got the end");
    refused("2*", 3, "expected a number, a name or '(', got the end");
    refused("2**x", 3, "expected a number, a name or '(', got '*'");
    refused("sin x", 5, "expected '(', got \"x\"");
    refused("sin(x", 6, "expected ')', got the end");
    refused("(x))", 4, "expected an operator, got ')'");
    refused("2x", 2, "expected an operator, got \"x\"");
    refused("2e", 2, "expected an operator, got \"e\"");
    refused("x + foo(x)", 5, "\"foo\" is not known");
    refused("min(x)", 6, "expected ',', got ')'");
    refused("sin(x, 1)", 6, "expected ')', got ','");
    refused("x $ 2", 3, "'$' means nothing here");
    refused(" x + \u{3c0}", 6, "'π' means nothing here");
    refused("1.2.3", 4, "expected an operator, got 0.3");
    refused("1 + .", 5, ". is no number");
    refused("1e999", 1, "1e999 is too large");
}

#[test]
fn size_and_depth_are_limited() {
    let deep = |n: usize| format!("{}x{}", "(".repeat(n), ")".repeat(n));
    check(&deep(DEPTH_MAX - 1), 5.0, 5.0);
    refused(&deep(DEPTH_MAX), DEPTH_MAX + 1, "nested deeper than 200");
    refused(&"-".repeat(5000), DEPTH_MAX + 1, "nested deeper than 200");
    refused(
        &"2^".repeat(5000),
        2 * DEPTH_MAX + 1,
        "nested deeper than 200",
    );
    refused(
        &"x".repeat(10_001),
        1,
        "10001 bytes are more than the 10000 allowed",
    );
    // Long but flat is fine.
    check(&format!("0{}", "+1".repeat(4000)), 0.0, 4000.0);
}

/// Nothing that can be typed panics: texts from a fixed seed over the alphabet of the grammar.
#[test]
fn garbage_is_refused_or_evaluated() {
    let pieces = [
        "x", "1", ".", "e", "E", "-", "+", "*", "/", "^", "(", ")", ",", " ", "sin", "min", "π",
        "9e9",
    ];
    let mut seed = 7u64;
    let mut parsed = 0;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..8 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
            match Expression::parse(&text) {
                Ok(expression) => {
                    let _ = expression.at(0.5);
                    parsed += 1;
                }
                Err(error) => assert!(error.column <= text.chars().count() + 1, "{text:?}"),
            }
        }
    }
    assert!(parsed > 1000, "only {parsed} were expressions");
}
