//! What is accepted is what serde_json accepts; what is refused is refused with its exact place.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn strict(bytes: &[u8]) -> Result<Value, JsonError> {
    parse(bytes, &Limits::default())
}

#[track_caller]
fn check(document: impl AsRef<[u8]>, rule: Rule, offset: usize, pointer: &str, reason: &str) {
    let document = document.as_ref();
    let shown = String::from_utf8_lossy(&document[..document.len().min(80)]).into_owned();
    let error = strict(document).expect_err(&shown);
    assert_eq!(
        (error.rule, error.offset, &*error.pointer, &*error.reason),
        (rule, offset, pointer, reason),
        "{shown}"
    );
}

#[test]
fn duplicate_keys() {
    use Rule::DuplicateKey;
    check(
        r#"{"a":1,"a":2}"#,
        DuplicateKey,
        7,
        "/a",
        r#"the key "a" comes twice"#,
    );
    check(
        r#"{"a":1,"a"}"#,
        DuplicateKey,
        7,
        "/a",
        r#"the key "a" comes twice"#,
    );
    check(
        r#"{"a":1,  "a"   :  2}"#,
        DuplicateKey,
        9,
        "/a",
        r#"the key "a" comes twice"#,
    );
    check(
        r#"{"":1,"":2}"#,
        DuplicateKey,
        6,
        "/",
        r#"the key "" comes twice"#,
    );
    check(
        r#"{"a":1,"\u0061":2}"#,
        DuplicateKey,
        7,
        "/a",
        r#"the key "a" comes twice"#,
    );
    check(
        r#"[0,{"x":{"a/~":1,"a/~":2}}]"#,
        DuplicateKey,
        17,
        "/1/x/a~1~0",
        r#"the key "a/~" comes twice"#,
    );
    check(
        r#"{"q\"\\":1,"q\"\\":2}"#,
        DuplicateKey,
        11,
        r#"/q"\"#,
        r#"the key "q\"\\" comes twice"#,
    );
    check(
        r#"{"$serde_json::private::RawValue":1,"$serde_json::private::RawValue":1}"#,
        DuplicateKey,
        36,
        "/$serde_json::private::RawValue",
        r#"the key "$serde_json::private::RawValue" comes twice"#,
    );
    // The same key in different objects is fine.
    assert!(strict(br#"{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}"#).is_ok());

    let key = "k".repeat(100_000);
    let error = strict(format!(r#"{{"{key}":1,"{key}":2}}"#).as_bytes()).unwrap_err();
    assert!(
        error.pointer.len() < 200 && error.reason.len() < 200,
        "a long key is shortened"
    );
}

#[test]
fn depth() {
    use Rule::Depth;
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(strict(nested(64).as_bytes()).is_ok());
    let reason = "nested deeper than 64 levels";
    check(nested(65), Depth, 64, &"/0".repeat(64), reason);
    check("[".repeat(1_000_000), Depth, 64, &"/0".repeat(64), reason);
    check(
        r#"{"a":"#.repeat(1_000_000),
        Depth,
        64 * 5,
        &"/a".repeat(64),
        reason,
    );
    check(
        format!("{}[ , 1]", "[ ".repeat(64)),
        Depth,
        128,
        &"/0".repeat(64),
        reason,
    );
    check(
        format!("{}{{ }}", r#"{"a": "#.repeat(64)),
        Depth,
        384,
        &"/a".repeat(64),
        reason,
    );

    let limited = |depth_max, document: &str| parse(document.as_bytes(), &Limits { depth_max });
    assert!(limited(0, "5").is_ok());
    assert_eq!(limited(0, " []").unwrap_err().offset, 1);
    assert!(limited(1, r#"{"a":5}"#).is_ok());
    assert_eq!(
        limited(1, r#"{"a":[]}"#).unwrap_err().reason,
        "nested deeper than 1 levels"
    );
    assert!(limited(usize::MAX, &nested(Limits::DEPTH_MOST)).is_ok());
    assert_eq!(limited(usize::MAX, &nested(500)).unwrap_err().rule, Depth);
}

#[test]
fn unicode() {
    use Rule::Unicode;
    check(b"\"ab\xffcd\"", Unicode, 3, "", "the document is not UTF-8");
    check(b"{\"\xc3\":1}", Unicode, 2, "", "the document is not UTF-8");
    check(
        b"\"\xed\xa0\x80\"",
        Unicode,
        1,
        "",
        "the document is not UTF-8",
    );
    let half = "half of a surrogate pair";
    check(r#""\ud800""#, Unicode, 1, "", half);
    check(r#"["ok","\udc00x"]"#, Unicode, 7, "/1", half);
    check(r#"{"a":"\ud800\ud800"}"#, Unicode, 6, "/a", half);
    check(r#"{"a":"\\\uD834\u0041"}"#, Unicode, 8, "/a", half);
    check(r#""\ud834\udd1e\ud834x""#, Unicode, 13, "", half);
    check(r#""\ud800\n""#, Unicode, 1, "", half);
    check(r#"{"\ud800":1}"#, Unicode, 2, "", half);
    assert_eq!(
        strict(br#""\ud834\udd1e \\ud800""#).unwrap(),
        json!("\u{1d11e} \\ud800")
    );
}

#[test]
fn numbers() {
    use Rule::NumberRange;
    let reason = "number out of range: larger than a double can be";
    check("1e999", NumberRange, 0, "", reason);
    check("[1, -1e999 ]", NumberRange, 4, "/1", reason);
    check(r#"{"x":1.5E+400,"y":2}"#, NumberRange, 5, "/x", reason);
    check(
        format!("[{}]", "9".repeat(400)),
        NumberRange,
        1,
        "/0",
        reason,
    );
    check(
        r#"{"x": 123456789012345678901234567890e300}"#,
        NumberRange,
        6,
        "/x",
        reason,
    );
    check("1e99999999999999999999", NumberRange, 0, "", reason);
    assert_eq!(strict(b"1e-999").unwrap(), json!(0.0));
    assert_eq!(
        strict(b"[18446744073709551615,-9223372036854775808]").unwrap(),
        json!([u64::MAX, i64::MIN])
    );
    for number in [
        "01",
        "+1",
        ".5",
        "1.",
        "1e",
        "-",
        "0x10",
        "NaN",
        "Infinity",
        "-Infinity",
        "1_000",
    ] {
        assert_eq!(
            strict(number.as_bytes()).unwrap_err().rule,
            Rule::Syntax,
            "{number}"
        );
    }
}

#[test]
fn syntax() {
    use Rule::Syntax;
    check("", Syntax, 0, "", "EOF while parsing a value");
    check("  ", Syntax, 2, "", "EOF while parsing a value");
    check("{} x", Syntax, 3, "", "trailing characters");
    check("{}{}", Syntax, 2, "", "trailing characters");
    check("[1,]", Syntax, 3, "", "trailing comma");
    check(r#"{"a":1,}"#, Syntax, 7, "", "trailing comma");
    check("[1 2]", Syntax, 3, "", "expected `,` or `]`");
    check(r#"{"a" 1}"#, Syntax, 5, "", "expected `:`");
    check(r#"{"a":1 "b":2}"#, Syntax, 7, "", "expected `,` or `}`");
    check("{a:1}", Syntax, 1, "", "key must be a string");
    check("{'a':1}", Syntax, 1, "", "key must be a string");
    check(r#"{"a":[1,nul]}"#, Syntax, 11, "/a/1", "expected ident");
    check(
        r#"{"a":[1,undefined]}"#,
        Syntax,
        8,
        "/a/1",
        "expected value",
    );
    check(
        r#"{"a":{"b":"#,
        Syntax,
        10,
        "/a/b",
        "EOF while parsing a value",
    );
    check(r#"{"a":"x"#, Syntax, 7, "/a", "EOF while parsing a string");
    check("[1 // comment\n]", Syntax, 3, "", "expected `,` or `]`");
    check(
        "\"a\nb\"",
        Syntax,
        2,
        "",
        "control character (\\u0000-\\u001F) found while parsing a string",
    );
    check(r#""\x""#, Syntax, 2, "", "invalid escape");
    check("\u{feff}{}", Syntax, 0, "", "expected value");
    check("[1]\0", Syntax, 3, "", "trailing characters");
}

#[test]
fn lines_and_columns() {
    let error = strict(b"{\n  \"a\": 1,\n  \"b\": [1,\n   x]\n}").unwrap_err();
    assert_eq!((error.line, error.column, error.offset), (4, 4, 26));
    assert_eq!(
        error.to_string(),
        "expected value at line 4 column 4 (byte 26)"
    );
    let error = strict(b"{\"a\":1,\n\n\n\"a\"\n:2}").unwrap_err();
    assert_eq!((error.line, error.column), (4, 1));
    let error = strict(b"[\n").unwrap_err();
    assert_eq!((error.line, error.column, error.offset), (2, 1, 2));
}

/// Any JSON value, with keys and texts that need escapes.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-z\"\\\\/~\u{e9}]{0,4}", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The places of all keys of a compact or pretty document: quote, text with quotes.
fn keys(document: &str) -> Vec<(usize, String)> {
    let bytes = document.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'"' {
            let mut end = at + 1;
            while bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            if bytes.get(end + 1) == Some(&b':') {
                found.push((at, document[at..=end].to_owned()));
            }
            at = end;
        }
        at += 1;
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn written_documents_are_read_back(value in value(), pretty in any::<bool>()) {
        let document = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
        prop_assert_eq!(strict(&document), Ok(value));
    }

    /// Whatever comes: no panic; the place is in the document; what both accept is the same.
    #[test]
    fn anything_is_read_like_serde_json_or_refused(bytes in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        r#"[\[\]{}":,0-9a-ce\\u+. -]{0,40}"#.prop_map(String::into_bytes),
        r#"(\[|\{"a":|"\\ud8|00"|\]|\}|,|1e9|99| |\n){0,20}"#.prop_map(String::into_bytes),
    ]) {
        let theirs = serde_json::from_slice::<Value>(&bytes);
        match strict(&bytes) {
            Ok(ours) => prop_assert_eq!(theirs.unwrap(), ours),
            Err(error) => {
                prop_assert!(error.offset <= bytes.len());
                prop_assert!(error.line >= 1 && error.column >= 1 && error.column <= error.offset + 1);
                prop_assert!(theirs.is_err() || matches!(error.rule, Rule::DuplicateKey | Rule::Depth));
            }
        }
    }

    #[test]
    fn a_key_written_twice_is_found_where_it_is(value in value(), pick in any::<prop::sample::Index>(), blanks in "[ \n\t]{0,3}") {
        let document = serde_json::to_string(&json!({"k": value})).unwrap();
        let keys = keys(&document);
        let (at, key) = pick.get(&keys);
        // One more member of the same name goes before the picked one, so the picked one is the second.
        let doubled = format!("{}{key}:0,{blanks}{key}{blanks}{}", &document[..*at], &document[at + key.len()..]);
        let error = strict(doubled.as_bytes()).unwrap_err();
        prop_assert_eq!((error.rule, error.offset), (Rule::DuplicateKey, at + key.len() + 3 + blanks.len()));
        let name: String = serde_json::from_str(key).unwrap();
        let member = "/".to_owned() + &name.replace('~', "~0").replace('/', "~1");
        prop_assert!(error.pointer.ends_with(&member));
    }

    /// A document that is cut short or damaged anywhere is refused like serde_json refuses it.
    #[test]
    fn damage_is_refused_like_serde_json_refuses_it(value in value(), pick in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut document = serde_json::to_vec(&value).unwrap();
        let at = pick.index(document.len());
        if cut { document.truncate(at) } else { document[at] = byte }
        match (strict(&document), serde_json::from_slice::<Value>(&document)) {
            (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs),
            (Err(error), theirs) => prop_assert!(theirs.is_err() || error.rule == Rule::DuplicateKey, "{}", error),
            (Ok(_), Err(theirs)) => prop_assert!(false, "accepted against {theirs}"),
        }
    }
}
