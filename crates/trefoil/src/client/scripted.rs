//! A tiny HTTP server for tests: it answers each connection with the next scripted bytes and
//! keeps what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// What a connection gets.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A status and a body with its length.
    Full(u16, &'static str, String),
    /// A status with these headers and no body.
    Bare(u16, Vec<(&'static str, String)>),
    /// No reply: so many bytes of the body are read, then the connection is closed.
    Drop(usize),
    /// A 200 in chunks, ended as it should be.
    Chunks(&'static str, Vec<String>),
    /// A 200 in chunks, cut off behind the last one.
    Cut(&'static str, Vec<String>),
    /// The same, but left open until the client leaves.
    Hang(&'static str, Vec<String>),
}

/// One request as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// `GET /path?query`.
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Decoded.
    pub(crate) body: Vec<u8>,
}

impl Seen {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(header, _)| header == name);
        found.next().map(|(_, value)| value.as_str())
    }
}

/// The server. It serves exactly as many connections as there are replies.
#[derive(Debug)]
pub(crate) struct Scripted {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Seen>>,
}

impl Scripted {
    /// Starts serving.
    pub(crate) fn start(replies: Vec<Reply>) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let answer = |reply: Reply| {
                let stream = listener.accept().unwrap().0;
                assert!(
                    !is_over.load(Ordering::SeqCst),
                    "nobody asked for {reply:?}"
                );
                serve(&stream, &reply)
            };
            replies.into_iter().map(answer).collect()
        });
        Scripted {
            address,
            over,
            thread,
        }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked. Every reply must have been used.
    pub(crate) fn requests(self) -> Vec<Seen> {
        self.over.store(true, Ordering::SeqCst);
        // Wakes a server that still waits to be asked; one that is done refuses, which is fine.
        let _ = TcpStream::connect(self.address);
        self.thread.join().unwrap()
    }
}

fn serve(stream: &TcpStream, reply: &Reply) -> Seen {
    let mut reader = BufReader::new(stream);
    let partial = match reply {
        Reply::Drop(count) => Some(*count),
        _ => None,
    };
    let seen = read_request(&mut reader, partial);
    let mut out = stream;
    let head = |status: u16, kind: &str| {
        format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-type: {kind}\r\n")
    };
    let mut send = |text: &str| out.write_all(text.as_bytes()).unwrap();
    let (kind, chunks) = match reply {
        Reply::Full(status, kind, body) => {
            send(&head(*status, kind));
            send(&format!("content-length: {}\r\n\r\n{body}", body.len()));
            return seen;
        }
        Reply::Bare(status, headers) => {
            send(&head(*status, "text/plain"));
            for (name, value) in headers {
                send(&format!("{name}: {value}\r\n"));
            }
            send("content-length: 0\r\n\r\n");
            return seen;
        }
        Reply::Drop(_) => return seen,
        Reply::Chunks(kind, chunks) | Reply::Cut(kind, chunks) | Reply::Hang(kind, chunks) => {
            (*kind, chunks)
        }
    };
    send(&head(200, kind));
    send("transfer-encoding: chunked\r\n\r\n");
    for chunk in chunks {
        send(&format!("{:x}\r\n{chunk}\r\n", chunk.len()));
    }
    match reply {
        Reply::Chunks(..) => send("0\r\n\r\n"),
        Reply::Hang(..) => {
            // Returns when the client closes its side.
            let _ = reader.read(&mut [0]);
        }
        Reply::Cut(..) | Reply::Full(..) | Reply::Bare(..) | Reply::Drop(_) => {}
    }
    seen
}

fn read_request(reader: &mut impl BufRead, partial: Option<usize>) -> Seen {
    let mut seen = Seen::default();
    reader.read_line(&mut seen.line).unwrap();
    let short = seen
        .line
        .trim_end()
        .trim_end_matches(" HTTP/1.1")
        .to_owned();
    seen.line = short;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end().split_once(':') {
            Some((name, value)) => {
                let name = name.to_ascii_lowercase();
                seen.headers.push((name, value.trim().to_owned()));
            }
            None => break,
        }
    }
    if seen.header("expect").is_some() {
        // Refused or not, the reply comes before the body here.
    } else if let Some(length) = seen.header("content-length") {
        let mut body = vec![0; partial.unwrap_or(length.parse().unwrap())];
        reader.read_exact(&mut body).unwrap();
        seen.body = body;
    } else if seen.header("transfer-encoding") == Some("chunked") {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).unwrap();
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).unwrap();
            if size == 0 {
                break;
            }
            seen.body.extend_from_slice(&chunk[..size]);
        }
    }
    seen
}
