//! Unix sockets: whose they are, and whose file it is.

use std::os::unix::{
    fs::PermissionsExt as _,
    net::{UnixListener, UnixStream},
};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn callers_come_over_a_unix_socket_that_goes_with_the_endpoint() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("thrift.sock");
    let hand_over: HandOver = Box::new(|_| panic!("nobody speaks anything else"));
    let config = ThriftConfig {
        // Nobody can listen in on the way.
        tls_required: true,
        ..ThriftConfig::default()
    };
    let socket = UnixSocket::bind(&path).unwrap();
    let thrift = Thrift::start(config, [socket], Clock::start(), 7, hand_over).unwrap();
    thrift.set_catalog(&catalog());
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for dialect in Dialect::PROBES {
        let mut stream = UnixStream::connect(&path).unwrap();
        let (kind, body) = call(
            &mut stream,
            dialect,
            None,
            "nothing",
            nothing(dialect.protocol),
        );
        assert_eq!(kind, ReplyKind::Exception, "{dialect}");
        let error = error_of(dialect.protocol, &body);
        assert_eq!(error.kind, ApplicationErrorKind::UnknownMethod, "{error}");
    }
    // TLS has no business here.
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
    let answered = stream.read(&mut [0]);
    assert!(
        !answered.as_ref().is_ok_and(|count| *count > 0),
        "{answered:?}"
    );
    assert!(UnixSocket::bind(&path).is_err(), "somebody listens there");
    thrift.stop(Duration::from_secs(5)).await;
    assert!(!path.try_exists().unwrap());
}

#[test]
fn only_the_socket_of_somebody_who_is_gone_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("thrift.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.try_exists().unwrap(), "the file stays behind");
    let socket = UnixSocket::bind(&path).unwrap();
    let error = UnixSocket::bind(&path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    // Somebody else put another in its place: that is not ours to remove.
    std::fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    drop(socket);
    assert!(path.try_exists().unwrap());
    drop(other);
    std::fs::remove_file(&path).unwrap();

    std::fs::write(&path, "precious").unwrap();
    let error = UnixSocket::bind(&path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}
