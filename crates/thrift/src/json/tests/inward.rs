use super::*;

/// What a text means, as it is written outwards.
#[track_caller]
fn reads(types: &Types, ty: Type, json: &str, as_if: &str) {
    match to_binary(types, ty, json) {
        Ok(binary) => assert_eq!(to_json(types, ty, &binary), as_if, "{json}"),
        Err(error) => panic!("{json}: {error}"),
    }
}

/// What is said of a text.
#[track_caller]
fn refuses(types: &Types, ty: Type, json: &str, message: &str) {
    match to_binary(types, ty, json) {
        Ok(binary) => panic!("{json} is read as {}", to_json(types, ty, &binary)),
        Err(error) => assert_eq!(error.to_string(), message, "{json}"),
    }
}

#[test]
fn integers() {
    let t = types();
    for (ty, name, min, max) in [
        (Type::I8, "i8", i64::from(i8::MIN), i64::from(i8::MAX)),
        (Type::I16, "i16", i16::MIN.into(), i16::MAX.into()),
        (Type::I32, "i32", i32::MIN.into(), i32::MAX.into()),
        (Type::I64, "i64", i64::MIN, i64::MAX),
    ] {
        for number in [min, max, 0, 1, -1, min / 2, max / 3] {
            reads(&t, ty, &format!(" {number}\n"), &number.to_string());
        }
        reads(&t, ty, "-0", "0");
        for number in [i128::from(min) - 1, i128::from(max) + 1] {
            let message = format!("{number} is out of the range of {name} (at byte 0)");
            refuses(&t, ty, &number.to_string(), &message);
        }
        for text in ["1.0", "1e2", "0.5", "1E+2", "-1.5e-7"] {
            let found = "a number with a fraction or an exponent";
            let message = format!("expected {name}, found {found} (at byte 1)");
            refuses(&t, ty, &format!(" {text}"), &message);
        }
        for (text, found) in [
            ("true", "a boolean"),
            ("null", "null"),
            ("[1]", "an array"),
            ("{}", "an object"),
        ] {
            let message = format!("expected {name}, found {found} (at byte 0)");
            refuses(&t, ty, text, &message);
        }
        refuses(
            &t,
            ty,
            "01",
            "a number cannot have zeros in front (at byte 0)",
        );
        refuses(
            &t,
            ty,
            "-007",
            "a number cannot have zeros in front (at byte 1)",
        );
        refuses(
            &t,
            ty,
            "-",
            "expected a digit, found the end of the text (at byte 1)",
        );
        refuses(&t, ty, "+1", "expected a value, found '+' (at byte 0)");
        refuses(
            &t,
            ty,
            "1 2",
            "expected the end of the text, found '2' (at byte 2)",
        );
        refuses(
            &t,
            ty,
            "0x10",
            "expected the end of the text, found 'x' (at byte 1)",
        );
        refuses(
            &t,
            ty,
            "",
            "expected a value, found the end of the text (at byte 0)",
        );
    }
    refuses(
        &t,
        Type::I32,
        "\"1\"",
        "expected i32, found a string (at byte 0)",
    );
    refuses(
        &t,
        Type::I64,
        "100000000000000000000000000000",
        "100000000000000000000000000000 is out of the range of i64 (at byte 0)",
    );
}

#[test]
fn long_integers_may_be_text_and_are_exact() {
    let t = types();
    reads(&t, Type::I64, "9007199254740993", "9007199254740993");
    reads(&t, Type::I64, "\"9007199254740993\"", "9007199254740993");
    reads(
        &t,
        Type::I64,
        "\"-9223372036854775808\"",
        "-9223372036854775808",
    );
    reads(&t, Type::I64, "\"\\u0031\"", "1");
    for text in [
        "",
        " 1",
        "1 ",
        "01",
        "1.0",
        "9223372036854775808",
        "0x1",
        "abc",
    ] {
        let message = format!("{text:?} is not an i64 (at byte 0)");
        refuses(&t, Type::I64, &format!("{text:?}"), &message);
    }
}

#[test]
fn doubles() {
    let t = types();
    for (text, out) in [
        ("0", "0.0"),
        ("-0.0", "-0.0"),
        ("1", "1.0"),
        ("0.1", "0.1"),
        ("123.456", "123.456"),
        ("1e3", "1000.0"),
        ("1.7976931348623157e308", "1.7976931348623157e308"),
        ("5e-324", "5e-324"),
        ("1e-400", "0.0"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("9007199254740993", "9007199254740992.0"),
        ("\"NaN\"", "\"NaN\""),
        ("\"Infinity\"", "\"Infinity\""),
        ("\"-Infinity\"", "\"-Infinity\""),
    ] {
        let binary = to_binary(&t, Type::Double, text).expect(text);
        let there = to_json(&t, Type::Double, &binary);
        if let (Ok(there), Ok(out)) = (there.parse::<f64>(), out.parse::<f64>()) {
            assert_eq!(there.to_bits(), out.to_bits(), "{text}");
        } else {
            assert_eq!(there, out, "{text}");
        }
    }
    refuses(
        &t,
        Type::Double,
        "1e400",
        "1e400 is out of the range of double (at byte 0)",
    );
    refuses(
        &t,
        Type::Double,
        "-1e400",
        "-1e400 is out of the range of double (at byte 0)",
    );
    refuses(
        &t,
        Type::Double,
        "\"1.5\"",
        "\"1.5\" is not a double; only NaN, Infinity and -Infinity are texts (at byte 0)",
    );
    refuses(
        &t,
        Type::Double,
        "true",
        "expected double, found a boolean (at byte 0)",
    );
    refuses(
        &t,
        Type::Double,
        "NaN",
        "expected a value, found 'N' (at byte 0)",
    );
    refuses(
        &t,
        Type::Double,
        "1.",
        "expected a digit, found the end of the text (at byte 2)",
    );
    refuses(
        &t,
        Type::Double,
        ".5",
        "expected a value, found '.' (at byte 0)",
    );
    refuses(
        &t,
        Type::Double,
        "1e",
        "expected a digit, found the end of the text (at byte 2)",
    );
    refuses(
        &t,
        Type::Double,
        "00.5",
        "a number cannot have zeros in front (at byte 0)",
    );
}

#[test]
fn booleans() {
    let t = types();
    reads(&t, Type::Bool, "true", "true");
    reads(&t, Type::Bool, " false ", "false");
    refuses(
        &t,
        Type::Bool,
        "\"true\"",
        "expected bool, found a string (at byte 0)",
    );
    refuses(
        &t,
        Type::Bool,
        "1",
        "expected bool, found a number (at byte 0)",
    );
    refuses(
        &t,
        Type::Bool,
        "tru",
        "expected true, found 't' (at byte 0)",
    );
    refuses(
        &t,
        Type::Bool,
        "truex",
        "expected the end of the text, found 'x' (at byte 4)",
    );
}

#[test]
fn strings() {
    let t = types();
    for (text, out) in [
        (r#""""#, r#""""#),
        (
            r#""plain text, longer than a word""#,
            r#""plain text, longer than a word""#,
        ),
        (r#""\"\\\/\b\f\n\r\t""#, r#""\"\\/\b\f\n\r\t""#),
        (
            r#""\u0041\u00e9\u20ac\ud83d\ude00\u0000\u001f""#,
            "\"Aé€😀\\u0000\\u001f\"",
        ),
        ("\"é€😀\u{7f}\"", "\"é€😀\u{7f}\""),
        (r#""aaaaaaa\naaaaaaaa\tb""#, r#""aaaaaaa\naaaaaaaa\tb""#),
    ] {
        reads(&t, Type::String, text, out);
    }
    let surrogate =
        |code: &str, at: usize| format!("\\u{code} is half of a surrogate pair (at byte {at})");
    refuses(&t, Type::String, r#""\ud800""#, &surrogate("d800", 1));
    refuses(&t, Type::String, r#""a\udc00""#, &surrogate("dc00", 2));
    refuses(&t, Type::String, r#""\ud800A""#, &surrogate("d800", 1));
    refuses(&t, Type::String, r#""\ud800\u0041""#, &surrogate("d800", 1));
    refuses(&t, Type::String, r#""\ud800\ud800""#, &surrogate("d800", 1));
    refuses(
        &t,
        Type::String,
        "\"a\nb\"",
        "a string cannot have U+000A in it without an escape (at byte 2)",
    );
    refuses(
        &t,
        Type::String,
        r#""\x""#,
        "expected one of \"\\/bfnrtu after a backslash, found 'x' (at byte 2)",
    );
    refuses(
        &t,
        Type::String,
        r#""\u00g0""#,
        "expected four hexadecimal digits after \\u, found 'g' (at byte 5)",
    );
    for text in ["\"", "\"abc", "\"abcdefghijkl", "\"\\n"] {
        let at = text.len();
        let message = format!(
            "expected the closing quote of a string, found the end of the text (at byte {at})"
        );
        refuses(&t, Type::String, text, &message);
    }
    refuses(
        &t,
        Type::String,
        "5",
        "expected string, found a number (at byte 0)",
    );
    refuses(
        &t,
        Type::String,
        "null",
        "expected string, found null (at byte 0)",
    );
}

#[test]
fn text_that_is_not_utf8_is_refused_at_its_place() {
    let t = types();
    let (options, limits) = Default::default();
    for json in [b"\"ab\xff\"".as_slice(), b"\"ab\xc3\"", b"   \xed\xa0\x80"] {
        let error = to_binary_with(&t, Type::String, json, &options, &limits);
        let error = error.expect_err("it is not UTF-8");
        assert_eq!((error.kind, error.offset), (JsonErrorKind::NotUtf8, 3));
    }
}

#[test]
fn binary_data() {
    let t = types();
    for text in ["", "AA==", "AA", "AAE=", "AAE", "AAEC", "-_-_", "+/+/"] {
        let padded = format!(
            "{text:=<width$}",
            width = text.trim_end_matches('=').len().div_ceil(4) * 4
        );
        let standard = padded.replace('-', "+").replace('_', "/");
        reads(
            &t,
            Type::Binary,
            &format!("\"{text}\""),
            &format!("\"{standard}\""),
        );
    }
    reads(&t, Type::Binary, r#""\/\/8=""#, "\"//8=\"");
    for text in ["A", "AB", "A===", "+_AA", "A A=", "AA==AA=="] {
        let message = format!("{text:?} is not base64 (at byte 0)");
        refuses(&t, Type::Binary, &format!("{text:?}"), &message);
    }
    refuses(
        &t,
        Type::Binary,
        "[1,2]",
        "expected binary (a string in base64), found an array (at byte 0)",
    );
}

#[test]
fn uuids() {
    let t = types();
    let canonical = "\"550e8400-e29b-41d4-a716-446655440000\"";
    reads(&t, Type::Uuid, canonical, canonical);
    reads(&t, Type::Uuid, &canonical.to_uppercase(), canonical);
    for text in [
        "",
        "550e8400e29b41d4a716446655440000",
        "{550e8400-e29b-41d4-a716-446655440000}",
        "550e8400-e29b-41d4-a716-44665544000g",
        "550e8400-e29b-41d4-a716-4466554400000",
        "550e8400-e29b-41d4-a7164-46655440000",
    ] {
        refuses(
            &t,
            Type::Uuid,
            &format!("{text:?}"),
            &format!("{text:?} is not a uuid (at byte 0)"),
        );
    }
    refuses(
        &t,
        Type::Uuid,
        "1",
        "expected uuid (a string), found a number (at byte 0)",
    );
}

#[test]
fn enumerations() {
    let t = types();
    reads(&t, t.color, "\"RED\"", "\"RED\"");
    reads(&t, t.color, "2", "\"GREEN\"");
    reads(&t, t.color, "77", "77");
    reads(&t, t.color, "-1", "-1");
    refuses(
        &t,
        t.color,
        "\"red\"",
        "\"red\" is not a name of Color (at byte 0)",
    );
    refuses(
        &t,
        t.color,
        "\"1\"",
        "\"1\" is not a name of Color (at byte 0)",
    );
    refuses(
        &t,
        t.color,
        "4294967296",
        "4294967296 is out of the range of i32 (at byte 0)",
    );
    refuses(
        &t,
        t.color,
        "true",
        "expected Color (a name or a number), found a boolean (at byte 0)",
    );
}

#[test]
fn lists() {
    let t = types();
    reads(&t, t.numbers, " [ ] ", "[]");
    reads(&t, t.numbers, "[1,\t2 ,\r\n3]", "[1,2,3]");
    refuses(
        &t,
        t.numbers,
        "{}",
        "expected list<i32> (an array), found an object (at byte 0)",
    );
    refuses(
        &t,
        t.numbers,
        "[1,]",
        "/1: expected a value, found ']' (at byte 3)",
    );
    refuses(
        &t,
        t.numbers,
        "[,1]",
        "/0: expected a value, found ',' (at byte 1)",
    );
    refuses(
        &t,
        t.numbers,
        "[1 2]",
        "expected ',' or ']', found '2' (at byte 3)",
    );
    refuses(
        &t,
        t.numbers,
        "[1",
        "expected ',' or ']', found the end of the text (at byte 2)",
    );
    refuses(
        &t,
        t.numbers,
        "[",
        "/0: expected a value, found the end of the text (at byte 1)",
    );
    refuses(
        &t,
        t.numbers,
        "[]]",
        "expected the end of the text, found ']' (at byte 2)",
    );
    refuses(
        &t,
        t.numbers,
        "[1,null]",
        "/1: expected i32, found null (at byte 3)",
    );
    refuses(
        &t,
        t.numbers,
        "[\u{a0}1]",
        "/0: expected a value, found '\\u{a0}' (at byte 1)",
    );
}

#[test]
fn sets_have_no_element_twice() {
    let t = types();
    reads(&t, t.words, r#"["b","a","c"]"#, r#"["b","a","c"]"#);
    refuses(
        &t,
        t.words,
        r#"["b","a","a","b"]"#,
        "/2: the element is there twice (at byte 9)",
    );
    refuses(
        &t,
        t.words,
        r#"["a","\u0061"]"#,
        "/1: the element is there twice (at byte 5)",
    );
    refuses(
        &t,
        t.set_of_doubles,
        "[0, -0.0]",
        "/1: the element is there twice (at byte 4)",
    );
    refuses(
        &t,
        t.set_of_doubles,
        "[1, 1.0]",
        "/1: the element is there twice (at byte 4)",
    );
    refuses(
        &t,
        t.set_of_doubles,
        "[\"NaN\",\"NaN\"]",
        "/1: the element is there twice (at byte 7)",
    );
    let points = r#"[{"x":1,"y":2},{"x":2,"y":1},{"x":1,"y":2,"label":""}]"#;
    assert!(to_binary(&t, t.set_of_points, points).is_ok());
    // Whatever the order of the fields, and however the numbers are written.
    let points = r#"[{"x":1,"y":2},{"x":2,"y":1},{ "y":2.0, "label":null, "x":1, "other":7}]"#;
    refuses(
        &t,
        t.set_of_points,
        points,
        "/2: the element is there twice (at byte 29)",
    );
    let many = (0..5_000)
        .map(|at| at.to_string())
        .collect::<Vec<_>>()
        .join(",");
    assert!(to_binary(&t, t.set_of_doubles, &format!("[{many}]")).is_ok());
    refuses(
        &t,
        t.set_of_doubles,
        &format!("[{many},4321]"),
        "/5000: the element is there twice (at byte 23891)",
    );
}

#[test]
fn maps_as_objects() {
    let t = types();
    let uuid = "550e8400-e29b-41d4-a716-446655440000";
    for (ty, text) in [
        (t.by_word, r#"{"":1,"a\nb":2}"#.to_owned()),
        (
            t.by_number,
            r#"{"-5":"a","9223372036854775807":"b"}"#.to_owned(),
        ),
        (t.by_color, r#"{"RED":true,"77":false}"#.to_owned()),
        (t.by_bool, r#"{"true":1,"false":2}"#.to_owned()),
        (t.by_uuid, format!(r#"{{"{uuid}":1}}"#)),
        (t.by_binary, r#"{"AAEC":true,"":false}"#.to_owned()),
    ] {
        reads(&t, ty, &text, &text);
        reads(&t, ty, "{}", "{}");
        reads(&t, ty, "[]", "{}");
    }
    reads(&t, t.by_color, r#"{"2":true}"#, r#"{"GREEN":true}"#);
    reads(
        &t,
        t.by_double,
        r#"{"1.5":1,"NaN":2,"1e2":3}"#,
        r#"[{"key":1.5,"value":1},{"key":"NaN","value":2},{"key":100.0,"value":3}]"#,
    );
    refuses(
        &t,
        t.by_word,
        "5",
        "expected map<string, i32> (an object or an array of entries), found a number (at byte 0)",
    );
    refuses(
        &t,
        t.by_word,
        r#"{"a":1,"a":2}"#,
        "/a: the key is there twice (at byte 7)",
    );
    refuses(
        &t,
        t.by_word,
        r#"{"a/~":1,"a\/~":2}"#,
        "/a~1~0: the key is there twice (at byte 9)",
    );
    refuses(
        &t,
        t.by_color,
        r#"{"RED":true,"1":true}"#,
        "/1: the key is there twice (at byte 12)",
    );
    refuses(
        &t,
        t.by_number,
        r#"{"0":"","-0":""}"#,
        "/-0: the key is there twice (at byte 8)",
    );
    refuses(
        &t,
        t.by_double,
        r#"{"1":1,"1.0":1}"#,
        "/1.0: the key is there twice (at byte 7)",
    );
    refuses(
        &t,
        t.by_number,
        r#"{"1.0":""}"#,
        "/1.0: \"1.0\" is not an i64 (at byte 1)",
    );
    refuses(
        &t,
        t.by_bool,
        r#"{"1":1}"#,
        "/1: \"1\" is not a bool (at byte 1)",
    );
    refuses(
        &t,
        t.by_color,
        r#"{"BLUE":true}"#,
        "/BLUE: \"BLUE\" is not a name of Color (at byte 1)",
    );
    refuses(
        &t,
        t.by_uuid,
        r#"{"x":1}"#,
        "/x: \"x\" is not a uuid (at byte 1)",
    );
    refuses(
        &t,
        t.by_double,
        r#"{"01":1}"#,
        "/01: \"01\" is not a double (at byte 1)",
    );
    refuses(
        &t,
        t.by_binary,
        r#"{"*":true}"#,
        "/*: \"*\" is not base64 (at byte 1)",
    );
    refuses(
        &t,
        t.by_word,
        r#"{"a":"x"}"#,
        "/a: expected i32, found a string (at byte 5)",
    );
    refuses(
        &t,
        t.by_word,
        r#"{"a":null}"#,
        "/a: expected i32, found null (at byte 5)",
    );
    refuses(
        &t,
        t.by_word,
        r#"{a:1}"#,
        "expected a key in quotes, found 'a' (at byte 1)",
    );
    refuses(
        &t,
        t.by_word,
        r#"{"a" 1}"#,
        "/a: expected ':', found '1' (at byte 5)",
    );
    refuses(
        &t,
        t.by_word,
        r#"{"a":1,}"#,
        "expected a key in quotes, found '}' (at byte 7)",
    );
    refuses(
        &t,
        t.by_point,
        r#"{"a":1}"#,
        "expected map<Point, i64> (an array of entries), found an object (at byte 0)",
    );
}

#[test]
fn maps_as_entries() {
    let t = types();
    reads(
        &t,
        t.by_word,
        r#"[{"key":"a","value":1},{"value":2,"key":"b"}]"#,
        r#"{"a":1,"b":2}"#,
    );
    let points = r#"[{"key":{"x":1.0,"y":2.0},"value":1},{"key":{"x":1.0,"y":3.0},"value":1}]"#;
    reads(&t, t.by_point, points, points);
    refuses(
        &t,
        t.by_point,
        r#"[{"key":{"x":1,"y":2},"value":1},{"value":1,"key":{"y":2,"x":1}}]"#,
        "/1: the key is there twice (at byte 50)",
    );
    refuses(
        &t,
        t.by_point,
        r#"[{"value":true,"key":{"x":1}}]"#,
        "/0/key/y: the required field is missing (at byte 21); /0/value: expected i64, found a boolean (at byte 10)",
    );
    let entry = "an entry of a map must have \"key\" and \"value\" once each, and nothing else";
    for text in [
        r#"[{"key":"a"}]"#,
        r#"[{"value":1}]"#,
        r#"[{}]"#,
        r#"[{"key":"a","value":1,"more":1}]"#,
        r#"[{"key":"a","value":1,"key":"a"}]"#,
        r#"[{"value":1,"key":"a","value":1}]"#,
    ] {
        refuses(&t, t.by_word, text, &format!("/0: {entry} (at byte 1)"));
    }
    refuses(
        &t,
        t.by_word,
        "[1]",
        "/0: expected an entry (an object), found a number (at byte 1)",
    );
    refuses(
        &t,
        t.by_word,
        r#"[{"key":"a","value":"b"}]"#,
        "/0/value: expected i32, found a string (at byte 20)",
    );
}

#[test]
fn structs() {
    let t = types();
    reads(
        &t,
        t.order,
        r#"{"id":1,"who":"me"}"#,
        r#"{"id":1,"who":"me","count":1,"color":"RED"}"#,
    );
    // Any order, other spaces, escapes in names, null for absent, unknown members.
    reads(
        &t,
        t.order,
        " {\n\"wh\\u006f\" : \"me\", \"x\":{\"a\":[1,\"}\",null,true,1.5e3]}, \"color\":null ,\"size\": 3, \"count\" :2 , \"id\":\"7\" } ",
        r#"{"who":"me","size":3,"count":2,"id":7,"color":"RED"}"#,
    );
    reads(
        &t,
        t.order,
        r#"{"id":1,"the/text":"t","long":5,"who":"me","longs":[1,"2"],"points":[{"x":1,"y":2}]}"#,
        r#"{"id":1,"the/text":"t","long":"5","who":"me","longs":["1","2"],"points":[{"x":1.0,"y":2.0}],"count":1,"color":"RED"}"#,
    );
    // Hidden fields are not there: not even by name.
    let mut binary = to_binary(
        &t,
        t.order,
        r#"{"id":1,"who":"me","secret":"x","hidden":1}"#,
    )
    .expect("good");
    assert_eq!(
        binary,
        to_binary(&t, t.order, r#"{"id":1,"who":"me"}"#).expect("good")
    );
    // Its default is on the wire nevertheless.
    assert_eq!(binary.split_off(binary.len() - 5), [3, 0, 12, 5, 0]);
    refuses(
        &t,
        t.order,
        "[]",
        "expected Order (an object), found an array (at byte 0)",
    );
    refuses(
        &t,
        t.order,
        r#"{"id":1,"who":"me","id":null}"#,
        "/id: the field is there twice (at byte 19)",
    );
    refuses(
        &t,
        t.order,
        r#"{"id":1,"who":"me","long":null,"long":"x"}"#,
        "/long: the field is there twice (at byte 31)",
    );
    refuses(
        &t,
        t.order,
        r#"{"id":1,"who":"me","the/text":5}"#,
        "/the~1text: expected string, found a number (at byte 30)",
    );
    for (text, message) in [
        (
            "{",
            "expected a name in quotes, found the end of the text (at byte 1)",
        ),
        (
            "{\"id\"",
            "expected ':', found the end of the text (at byte 5)",
        ),
        (
            "{\"id\":",
            "/id: expected a value, found the end of the text (at byte 6)",
        ),
        (
            "{\"id\":1",
            "expected ',' or '}', found the end of the text (at byte 7)",
        ),
        (
            "{\"id\":1,}",
            "expected a name in quotes, found '}' (at byte 8)",
        ),
        ("{,}", "expected a name in quotes, found ',' (at byte 1)"),
        ("{\"id\":1]", "expected ',' or '}', found ']' (at byte 7)"),
        (
            "{\"zzz\":[1,}",
            "/zzz: expected a value, found '}' (at byte 10)",
        ),
    ] {
        refuses(&t, t.order, text, message);
    }
}

#[test]
fn all_that_is_wrong_is_listed() {
    let t = types();
    let json = r#"{"count":"x","points":[{"x":1},{"y":true},5]}"#;
    refuses(
        &t,
        t.order,
        json,
        "/count: expected i32, found a string (at byte 9); \
         /points/0/y: the required field is missing (at byte 23); \
         /points/1/y: expected double, found a boolean (at byte 36); \
         /points/1/x: the required field is missing (at byte 31); \
         /points/2: expected Point (an object), found a number (at byte 42); \
         /id: the required field is missing (at byte 0); \
         /who: the required field is missing (at byte 0)",
    );
    // Up to a bound, which does not count for fields that are missing together.
    let limits = Limits::default();
    let count = |json: &str, violations_max| {
        let options = JsonOptions {
            violations_max,
            ..JsonOptions::default()
        };
        let error = to_binary_with(&t, t.order, json.as_bytes(), &options, &limits);
        error.expect_err("it is wrong").all().count()
    };
    assert_eq!(count(json, 3), 3);
    assert_eq!(count(json, 0), 1);
    assert_eq!(count("{}", 1), 2);
    // What cannot be read on is the last.
    refuses(
        &t,
        t.order,
        r#"{"count":"x","size":?"#,
        "/count: expected i32, found a string (at byte 9); /size: expected a value, found '?' (at byte 20)",
    );
}

#[test]
fn unions_have_one_field() {
    let t = types();
    reads(&t, t.either, r#"{"right":5}"#, r#"{"right":5}"#);
    reads(
        &t,
        t.either,
        r#"{"left":null,"right":5,"other":1}"#,
        r#"{"right":5}"#,
    );
    let message = |found| {
        format!("Either is a union: it must have exactly one field, not {found} (at byte 0)")
    };
    refuses(&t, t.either, "{}", &message(0));
    refuses(&t, t.either, r#"{"left":null}"#, &message(0));
    refuses(&t, t.either, r#"{"left":"","right":1}"#, &message(2));
    let options = JsonOptions {
        is_empty_union_allowed: true,
        ..JsonOptions::default()
    };
    let read =
        |json: &str| to_binary_with(&t, t.either, json.as_bytes(), &options, &Limits::default());
    assert_eq!(read("{}"), Ok(vec![0]));
    assert!(read(r#"{"left":"","right":1}"#).is_err());
}

#[test]
fn unknown_members_can_be_refused() {
    let t = types();
    let options = JsonOptions {
        unknown_fields: UnknownFields::Refuse,
        ..JsonOptions::default()
    };
    let json = r#"{"x":1,"z":{},"y":2,"a/b":[]}"#;
    let error = to_binary_with(&t, t.point, json.as_bytes(), &options, &Limits::default());
    assert_eq!(
        error.expect_err("there are two").to_string(),
        "/z: Point has no such field (at byte 7); /a~1b: Point has no such field (at byte 20)"
    );
}

#[test]
fn limits() {
    let t = types();
    let options = JsonOptions::default();
    let refuses = |ty, json: &str, limits: &Limits, message: &str| {
        let error = to_binary_with(&t, ty, json.as_bytes(), &options, limits);
        assert_eq!(error.expect_err(json).to_string(), message);
    };
    let default = Limits::default();
    let limits = Limits {
        depth_max: 3,
        ..default
    };
    assert!(to_binary_with(&t, t.tree, br#"{"children":[{}]}"#, &options, &limits).is_ok());
    let message = "more than 3 structs and containers are within each other";
    refuses(
        t.tree,
        r#"{"children":[{"children":[]}]}"#,
        &limits,
        &format!("/children/0/children: {message} (at byte 25)"),
    );
    refuses(
        t.tree,
        r#"{"zzz":[[[]]]}"#,
        &limits,
        &format!("/zzz: {message} (at byte 9)"),
    );
    let deep = "[".repeat(100_000);
    refuses(
        t.tree,
        &format!("{{\"zzz\":{deep}"),
        &default,
        "/zzz: more than 64 structs and containers are within each other (at byte 70)",
    );
    let limits = Limits {
        string_max: 3,
        ..default
    };
    refuses(
        Type::String,
        "\"abcd\"",
        &limits,
        "a string has 4, and the limit is 3 (at byte 0)",
    );
    refuses(
        Type::Binary,
        "\"AAAAAAAA\"",
        &limits,
        "a binary has 6, and the limit is 3 (at byte 0)",
    );
    refuses(
        t.by_word,
        r#"{"abcd":1}"#,
        &limits,
        "/abcd: a key has 4, and the limit is 3 (at byte 1)",
    );
    let limits = Limits {
        container_max: 2,
        ..default
    };
    assert!(to_binary_with(&t, t.numbers, b"[1,2]", &options, &limits).is_ok());
    refuses(
        t.numbers,
        "[1,2,3]",
        &limits,
        "a container has 3, and the limit is 2 (at byte 5)",
    );
    refuses(
        t.by_word,
        r#"{"a":1,"b":2,"c":3}"#,
        &limits,
        "a container has 3, and the limit is 2 (at byte 13)",
    );
    let limits = Limits {
        message_max: 10,
        ..default
    };
    refuses(
        Type::String,
        "\"abcdefghi\"",
        &limits,
        "the text has 11, and the limit is 10 (at byte 0)",
    );
}

#[test]
fn defaults_do_not_make_a_message_of_any_size() {
    let mut builder = Builder::new();
    let id = builder.declare_struct("Big", StructKind::Struct, None, Annotations::new());
    let text = Value::String("x".repeat(1_000));
    let field = with_default(NewField::new(1, "text", Type::String), text);
    builder.define_struct(id, vec![field]).expect("one field");
    let ty = builder.list(Type::Struct(id));
    let schema = builder.build();
    let limits = Limits {
        message_max: 10_000,
        ..Limits::default()
    };
    let size = |count: usize| {
        let json = format!("[{}]", vec!["{}"; count].join(","));
        let mut out = Vec::new();
        let mut writer = BinaryWriter::new(&mut out);
        let options = JsonOptions::default();
        json_to_value(&schema, ty, json.as_bytes(), &options, &limits, &mut writer)?;
        Ok::<_, JsonError>(out.len())
    };
    assert_eq!(size(9), Ok(5 + 9 * 1_008));
    let error = size(1_000).expect_err("too much");
    assert_eq!(
        error.to_string(),
        "/9: the message with its defaults has 11016, and the limit is 10000 (at byte 28)"
    );
}

#[test]
fn what_must_be_read_again_is_bounded() {
    let t = types();
    // Each level jumps over its value before it reads it, and reads its key once more for a hash.
    let wrapped = |mut json: String, levels: usize, make: &dyn Fn(&str) -> String| {
        for _ in 0..levels {
            json = format!("{{\"odd\":[{}]}}", make(&json));
        }
        json
    };
    let value_first = |json: &str| format!("{{\"value\":{json},\"key\":{{}}}}");
    let in_keys = |json: &str| format!("{{\"value\":{{}},\"key\":{json}}}");
    let both = |json: &str| {
        format!("{{\"value\":{{\"odd\":[{{\"value\":{json},\"key\":{{}}}}]}},\"key\":{{}}}}")
    };
    let keys_of_values = |json: &str| in_keys(&wrapped(json.to_owned(), 1, &value_first));
    for json in [
        wrapped("{}".to_owned(), 30, &value_first),
        wrapped("{}".to_owned(), 30, &in_keys),
        wrapped("{}".to_owned(), 15, &both),
        wrapped("{}".to_owned(), 10, &keys_of_values),
    ] {
        assert_eq!(to_binary(&t, t.tree, &json).map(drop), Ok(()), "{json}");
    }
    let large = format!("{{\"zzz\":\"{}\"}}", "x".repeat(100_000));
    let shallow = wrapped(large.clone(), 4, &keys_of_values);
    assert_eq!(to_binary(&t, t.tree, &shallow).map(drop), Ok(()));
    let deep = wrapped(large, 15, &keys_of_values);
    let error = to_binary(&t, t.tree, &deep).expect_err("it would take long");
    assert_eq!(error.kind, JsonErrorKind::TooIntricate);
}

#[test]
fn a_place_has_a_line_and_a_column() {
    let json = "{\n  \"é\": 1,\n  x".as_bytes();
    assert_eq!(line_and_column(json, 0), (1, 1));
    assert_eq!(line_and_column(json, 2), (2, 1));
    assert_eq!(line_and_column(json, 8), (2, 6));
    assert_eq!(line_and_column(json, json.len() - 1), (3, 3));
    assert_eq!(line_and_column(json, usize::MAX), (3, 4));
    assert_eq!(line_and_column(b"", 0), (1, 1));
}

#[test]
fn what_is_sent_is_not_repeated_at_length() {
    let t = types();
    let long = "é".repeat(100_000);
    let message = |json: &str, ty| {
        to_binary(&t, ty, json)
            .expect_err("it is wrong")
            .to_string()
    };
    let key = format!("{}…", "é".repeat(256));
    let found = message(&format!("{{\"{long}\":true}}"), t.by_word);
    assert_eq!(
        found,
        format!("/{key}: expected i32, found a boolean (at byte 200004)")
    );
    let value = format!("{}…", "é".repeat(64));
    let found = message(&format!("\"{long}\""), t.color);
    assert_eq!(
        found,
        format!("{value:?} is not a name of Color (at byte 0)")
    );
    let number = format!("{}…", "9".repeat(64));
    let found = message(&"9".repeat(1_000), Type::I32);
    assert_eq!(
        found,
        format!("{number} is out of the range of i32 (at byte 0)")
    );
}

#[test]
fn the_first_violation_is_the_error_and_others_come_with_it() {
    let t = types();
    let error = to_binary(&t, t.point, r#"{"x":true}"#).expect_err("two things are wrong");
    assert_eq!(error.pointer, "/x");
    assert_eq!(error.offset, 5);
    let expected = JsonErrorKind::Type {
        expected: "double".into(),
        found: "a boolean",
    };
    assert_eq!(error.kind, expected);
    assert_eq!(error.more.len(), 1);
    assert_eq!(error.more[0].pointer, "/y");
    assert_eq!(error.more[0].kind, JsonErrorKind::Missing);
}
