//! The smallest HTTP/1.1 client that can load a server: one kept connection, requests ahead of their answers.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

/// Longer than any answer takes, so that a server that hangs ends the run.
const PATIENCE: Duration = Duration::from_secs(120);

/// A connection to the server.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    host: String,
    head: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as JSON, if the status is the expected one.
    pub(crate) fn json(&self, expected: u16) -> anyhow::Result<Value> {
        self.expect(expected)?;
        serde_json::from_slice(&self.body).context("the answer is not JSON")
    }

    /// Fails with the answer's text unless the status is the expected one.
    pub(crate) fn expect(&self, expected: u16) -> anyhow::Result<()> {
        let text = || String::from_utf8_lossy(&self.body[..self.body.len().min(600)]).into_owned();
        ensure!(
            self.status == expected,
            "expected {expected}, got {}: {}",
            self.status,
            text()
        );
        Ok(())
    }
}

impl Connection {
    /// Connects.
    pub(crate) fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream =
            TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let stream = BufReader::with_capacity(256 << 10, stream);
        Ok(Self {
            stream,
            host: address.to_string(),
            head: Vec::new(),
        })
    }

    /// A request and its answer.
    pub(crate) fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> anyhow::Result<Answer> {
        self.send(method, path, headers, body)?;
        self.receive().with_context(|| format!("{method} {path}"))
    }

    /// Reads something.
    pub(crate) fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        self.ask("GET", path, "", b"")
    }

    /// Sends a request without waiting for its answer. `headers` are whole lines, each with its `\r\n`.
    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> anyhow::Result<()> {
        self.head.clear();
        let Self { head, host, stream } = self;
        write!(
            head,
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}"
        )?;
        if method == "GET" {
            head.extend_from_slice(b"\r\n");
        } else {
            write!(head, "Content-Length: {}\r\n\r\n", body.len())?;
        }
        // One segment for a small request: the server reads it in one go.
        if body.len() <= 16 << 10 {
            head.extend_from_slice(body);
            stream.get_mut().write_all(head)?;
        } else {
            stream.get_mut().write_all(head)?;
            stream.get_mut().write_all(body)?;
        }
        Ok(())
    }

    /// The answer to the oldest request that has none.
    pub(crate) fn receive(&mut self) -> anyhow::Result<Answer> {
        let mut line = String::new();
        let status = loop {
            let status = self.status_line(&mut line)?;
            if status >= 200 {
                break status;
            }
            while !self.header_line(&mut line)?.is_empty() {}
        };
        let (mut length, mut chunked) = (None, false);
        loop {
            let header = self.header_line(&mut line)?;
            let Some((name, value)) = header.split_once(':') else {
                break;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.trim().parse::<usize>().context("content-length")?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = value.trim().eq_ignore_ascii_case("chunked");
            }
        }
        let mut body = Vec::new();
        if chunked {
            while self.chunk(&mut line, &mut body)? {}
        } else if status != 204 && status != 304 {
            body.resize(length.context("an answer without a length")?, 0);
            self.stream.read_exact(&mut body)?;
        }
        Ok(Answer { status, body })
    }

    fn status_line(&mut self, line: &mut String) -> anyhow::Result<u16> {
        let text = self.header_line(line)?;
        let status = text
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3))
            .and_then(|code| code.parse().ok());
        status.with_context(|| format!("not an answer: {text:?}"))
    }

    fn header_line<'a>(&mut self, line: &'a mut String) -> anyhow::Result<&'a str> {
        line.clear();
        if self.stream.read_line(line)? == 0 {
            bail!("the server closed the connection");
        }
        Ok(line.trim_end())
    }

    fn chunk(&mut self, line: &mut String, body: &mut Vec<u8>) -> anyhow::Result<bool> {
        let size = usize::from_str_radix(self.header_line(line)?, 16).context("size of a chunk")?;
        let begun = body.len();
        body.resize(begun + size, 0);
        self.stream.read_exact(&mut body[begun..])?;
        self.header_line(line)?;
        Ok(size > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, net::TcpListener, thread};

    use super::Connection;

    /// Serves `answers` as they are, to whatever is asked, and gives the bodies that the client made of them.
    fn check(answers: &'static str, bodies: &[&str]) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            listener
                .accept()
                .unwrap()
                .0
                .write_all(answers.as_bytes())
                .unwrap()
        });
        let mut connection = Connection::open(address).unwrap();
        for body in bodies {
            let answer = connection.receive().unwrap();
            assert_eq!(answer.status, 200);
            assert_eq!(String::from_utf8(answer.body).unwrap(), *body);
        }
        assert!(connection.receive().is_err(), "nothing is left");
        server.join().unwrap();
    }

    #[test]
    fn answers_with_a_length_follow_each_other() {
        check(
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            &["ab", ""],
        );
    }

    #[test]
    fn chunks_are_joined_and_interim_answers_skipped() {
        check(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n",
            &["abc0123456789"],
        );
    }
}
