use super::*;

fn post(calls: &[bool]) -> Post {
    let target = Target {
        authority: "h:1".to_owned(),
        path: "/x".to_owned(),
        kind: crate::thrift::web::Kind::Post,
    };
    let mut post = Post::new(target);
    for is_oneway in calls {
        post.request(b"q", &[], *is_oneway, &mut Vec::new());
    }
    post
}

/// What comes of a response, whole and byte by byte.
fn check(calls: &[bool], input: &[u8], expected: Result<&[u8], Unusable>) -> Post {
    let mut last = None;
    for step in [input.len().max(1), 1] {
        let mut post = post(calls);
        let (mut kept, mut out) = (Vec::new(), Vec::new());
        let mut result = Ok(());
        for bytes in input.chunks(step) {
            kept.extend_from_slice(bytes);
            let mut rest = &kept[..];
            result = post.handle(&mut rest, &mut out);
            let taken = kept.len() - rest.len();
            kept.drain(..taken);
            if result.is_err() {
                break;
            }
        }
        let text = String::from_utf8_lossy(input);
        match &expected {
            Ok(body) => {
                assert_eq!(result, Ok(()), "{text}");
                assert_eq!(out, *body, "{text}");
                assert!(kept.is_empty(), "{text}");
            }
            Err(error) => assert_eq!(result.as_ref().unwrap_err(), error, "{text}"),
        }
        last = Some(post);
    }
    last.unwrap()
}

#[test]
fn a_request_says_where_and_how_much() {
    let mut out = Vec::new();
    let headers: [(&[u8], &[u8]); 5] = [
        (b"deadline-ms", b"250"),
        (b"tracestate", b"a=1"),
        // Who calls cannot write a request of its own.
        (b"baggage", b"a\r\nContent-Length: 0\r\n\r\nGET /"),
        (b"host", b"elsewhere"),
        (b"idempotency-key", b"k-1"),
    ];
    post(&[]).request(b"message", &headers, false, &mut out);
    let text = String::from_utf8(out).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("POST /x HTTP/1.1\r\nHost: h:1\r\n"),
        "{head}"
    );
    let said =
        "\r\nContent-Length: 7\r\ndeadline-ms: 250\r\ntracestate: a=1\r\nidempotency-key: k-1";
    assert!(head.ends_with(said), "{head}");
    assert_eq!(body, "message");
}

#[test]
fn bodies_with_a_length_in_chunks_and_to_the_end() {
    let done = check(
        &[false],
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        Ok(b"hello"),
    );
    assert!(done.is_idle() && !done.is_last());
    let done = check(
        &[false],
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n",
        Ok(b"hello"),
    );
    assert!(done.is_idle() && !done.is_last());
    let mut open = check(&[false], b"HTTP/1.0 200 OK\r\n\r\nhello", Ok(b"hello"));
    assert!(!open.is_idle() && open.is_last());
    open.handle_eof().unwrap();
    assert!(open.is_idle());
    let done = check(
        &[false],
        b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 1\r\n\r\nx",
        Ok(b"x"),
    );
    assert!(done.is_last());
    let done = check(
        &[false],
        b"HTTP/1.0 200 OK\nConnection: keep-alive\nContent-Length: 1\n\nx",
        Ok(b"x"),
    );
    assert!(done.is_idle() && !done.is_last());
    // One after the other; what is one-way has nothing in it.
    let done = check(
        &[true, true, false],
        b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        Ok(b"hi"),
    );
    assert!(done.is_idle());
}

#[test]
fn what_is_no_answer_is_refused() {
    let malformed = |why| Err(Unusable::Malformed(why));
    check(
        &[false],
        b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
        Err(Unusable::Status(500)),
    );
    check(
        &[false],
        b"HTTP/1.1 302 Elsewhere\r\nLocation: http://x/\r\n\r\n",
        Err(Unusable::Status(302)),
    );
    check(
        &[false],
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        Err(Unusable::Empty),
    );
    check(
        &[false],
        b"\0\0\0\x05\x80\x01\n\n",
        malformed("its head is no text"),
    );
    check(
        &[false],
        b"SSH-2.0-x\r\n\r\n",
        malformed("it does not begin with a version"),
    );
    check(
        &[],
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
        malformed("nothing was asked"),
    );
    // What could be read in two ways is how requests are smuggled.
    check(
        &[false],
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        malformed("it has two lengths"),
    );
    check(
        &[false],
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        malformed("it has a length and chunks"),
    );
    check(
        &[false],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello",
        malformed("a chunk has no length"),
    );
    check(
        &[false],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n",
        malformed("a chunk is longer than it says"),
    );
    check(
        &[false],
        &[b'x'; HEAD_MAX],
        malformed("its head is too long"),
    );
    let mut cut = check(
        &[false],
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        Ok(b"hello"),
    );
    assert!(cut.handle_eof().is_err());
}
