//! TLS of callers and to instances: who is believed, and that messages arrive.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    server::WebPkiClientVerifier,
};
use tempfile::TempDir;

use super::*;

/// An authority and what it signed.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = "authority of a test";
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).unwrap(),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// A certificate with `common_name` in its subject that is good for the host `name`.
    pub(super) fn sign(&self, common_name: &str, name: &str) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The file with its own certificate.
    pub(super) fn file(&self) -> PathBuf {
        self.write("authority", &self.issuer.pem())
    }

    pub(super) fn files(&self, client_required: bool) -> TlsFiles {
        let (certificate, key) = self.sign("server", "localhost");
        TlsFiles {
            certificate: self.write("certificate", &certificate.pem()),
            key: self.write("key", &key.serialize_pem()),
            client_ca: Some(self.file()),
            client_required,
        }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }

    /// How somebody is served whose certificate has `common_name` in its subject and is for the host `name`.
    pub(super) fn server(&self, common_name: &str, name: &str) -> Arc<rustls::ServerConfig> {
        self.server_for(common_name, name, None)
    }

    /// The same, for callers with a certificate of `callers` only.
    pub(super) fn server_for(
        &self,
        common_name: &str,
        name: &str,
        callers: Option<&Authority>,
    ) -> Arc<rustls::ServerConfig> {
        let (certificate, key) = self.sign(common_name, name);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match callers {
            None => builder.with_no_client_auth(),
            Some(callers) => {
                let roots = Arc::new(callers.roots());
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let config = builder
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        Arc::new(config)
    }

    /// Files of a certificate for somebody, and of its key.
    pub(super) fn shown(&self, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = self.sign(name, name);
        (
            self.write("shown", &certificate.pem()),
            self.write("shown.key", &key.serialize_pem()),
        )
    }

    /// A caller that believes this authority, and shows a certificate of `shows`.
    pub(super) fn connect(
        &self,
        thrift: &Thrift,
        shows: Option<&Authority>,
    ) -> StreamOwned<ClientConnection, TcpStream> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots());
        let config = match shows {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let (certificate, key) = authority.sign("caller", "caller");
                let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
                let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let host = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), host).unwrap();
        StreamOwned::new(connection, connect(thrift))
    }
}

fn echo(size: u32) -> (Vec<u8>, Vec<u8>) {
    // `{1: {11: string}}`, as an argument and as a result.
    let body = |id: u8| {
        let mut body = vec![0x0c, 0, id, 0x0b, 0, 5];
        body.extend_from_slice(&size.to_be_bytes());
        body.resize(body.len() + size as usize, b'x');
        body.extend_from_slice(&[0, 0]);
        body
    };
    (body(1), body(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_and_plain_are_served_on_one_port() {
    let authority = Authority::new();
    let config = ThriftConfig {
        tls: Some(authority.files(false)),
        ..ThriftConfig::default()
    };
    let (thrift, handed) = start(config);
    let (arguments, expected) = echo(5);
    let (kind, body) = call(&mut connect(&thrift), FRAMED, None, "echo", &arguments);
    assert_eq!((kind, body), (ReplyKind::Reply, expected));
    for shows in [None, Some(&authority)] {
        for dialect in Dialect::PROBES {
            let mut stream = authority.connect(&thrift, shows);
            if dialect.protocol != Protocol::Binary {
                let (kind, body) = call(
                    &mut stream,
                    dialect,
                    None,
                    "nothing",
                    nothing(dialect.protocol),
                );
                let error = error_of(dialect.protocol, &body);
                assert_eq!(kind, ReplyKind::Exception, "{dialect}: {error}");
                continue;
            }
            // Less than a record, more than one, more than is read at a time, and more than buffers hold.
            for size in [0, 1, 16_384, 100_000, 1_000_000, 10_000_000] {
                let (arguments, expected) = echo(size);
                let (kind, body) = call(&mut stream, dialect, None, "echo", &arguments);
                assert_eq!(kind, ReplyKind::Reply, "{dialect}");
                assert!(body == expected, "{dialect}: {size}");
            }
            // It says that it ends, and so does the endpoint.
            stream.conn.send_close_notify();
            stream.flush().unwrap();
            assert_eq!(stream.read(&mut [0]).unwrap(), 0, "{dialect}");
        }
    }
    // TLS inside of TLS is for nobody here.
    let mut stream = authority.connect(&thrift, None);
    stream.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
    assert!(stream.read_to_end(&mut Vec::new()).is_err());
    assert!(handed.try_recv().is_err());
    thrift.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_must_show_a_certificate_comes_in_with_one_only() {
    let authority = Authority::new();
    let config = ThriftConfig {
        tls: Some(authority.files(true)),
        ..ThriftConfig::default()
    };
    let (thrift, handed) = start(config);
    let (arguments, expected) = echo(7);
    let mut known = authority.connect(&thrift, Some(&authority));
    let (_, body) = call(&mut known, FRAMED, None, "echo", &arguments);
    assert_eq!(body, expected);
    let strangers = Authority::new();
    for shows in [None, Some(&strangers)] {
        let mut stream = authority.connect(&thrift, shows);
        // The handshake of a client ends before the server has seen its certificate.
        let written = stream
            .write_all(b"\0\0\0\x11\x80\x01\0\x01\0\0\0\x04ping\0\0\0\0\0")
            .and_then(|()| stream.flush());
        let answered = written.and_then(|()| stream.read(&mut [0; 64]));
        assert!(answered.is_err(), "{answered:?}");
    }
    // Nor is there a way around it.
    check_closed(&thrift, b"\0\0\0\x11\x80\x01\0\x01\0\0\0\x04ping\0\0\0\0\0");
    check_closed(&thrift, b"GET / HTTP/1.1\r\n\r\n");
    assert!(handed.try_recv().is_err());
    thrift.stop(Duration::from_secs(5)).await;
}

fn check_closed(thrift: &Thrift, bytes: &[u8]) {
    let mut stream = connect(thrift);
    stream.write_all(bytes).unwrap();
    // Closed or reset: nothing comes.
    let answered = stream.read(&mut [0; 64]);
    assert!(
        !answered.as_ref().is_ok_and(|count| *count > 0),
        "{answered:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_refused_without_a_certificate_and_plain_where_tls_is_required() {
    let authority = Authority::new();
    let (thrift, _) = start(ThriftConfig::default());
    let mut stream = authority.connect(&thrift, None);
    assert!(stream.conn.complete_io(&mut stream.sock).is_err());
    thrift.stop(Duration::from_secs(5)).await;

    let config = ThriftConfig {
        tls: Some(authority.files(false)),
        tls_required: true,
        ..ThriftConfig::default()
    };
    let (thrift, _) = start(config);
    check_closed(&thrift, b"[1,\"ping\",1,0,{}]");
    let (arguments, expected) = echo(7);
    let mut stream = authority.connect(&thrift, None);
    let (_, body) = call(&mut stream, FRAMED, None, "echo", &arguments);
    assert_eq!(body, expected);
    thrift.stop(Duration::from_secs(5)).await;
}
