//! TLS: who is there, and that bytes arrive.

use std::{
    net::TcpStream,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
};
use tempfile::TempDir;
use trefoil_amqp::MethodId;
use trefoil_broker::admin::{NewPassword, UserChange};

use super::{
    super::{LoginFrom, TlsConfig, tls::Certificates},
    Client, Server,
    client::{PATIENCE, until},
};

/// An authority and what it signed.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "authority of a test");
        let key = KeyPair::generate().unwrap();
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).unwrap(),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn sign(&self, common_name: &str, host: &str) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
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

    /// The files of a server.
    fn files(&self, client_required: bool) -> TlsConfig {
        let (certificate, key) = self.sign("server", "localhost");
        TlsConfig {
            certificate: self.write("certificate", &certificate.pem()),
            key: self.write("key", &key.serialize_pem()),
            client_ca: Some(self.write("authority", &self.issuer.pem())),
            client_required,
            login_from: LoginFrom::CommonName,
        }
    }

    fn server(&self, client_required: bool) -> Server {
        let tls = self.files(client_required);
        Server::start_with(|config| {
            config.tls_listen = std::mem::take(&mut config.listen);
            config.tls = Some(tls);
        })
    }

    /// A client that believes this authority, and shows a certificate if it has a name.
    fn client(&self, server: &Server, name: Option<&str>) -> Client {
        Client::over(self.stream(server, name))
    }

    fn stream(
        &self,
        server: &Server,
        name: Option<&str>,
    ) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match name {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let (certificate, key) = self.sign(name, "client");
                let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
                let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let host = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), host).unwrap();
        let socket = TcpStream::connect(server.amqp.listening()[0].address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        StreamOwned::new(connection, socket)
    }
}

#[test]
fn messages_of_all_sizes_go_through() {
    let authority = Authority::new();
    let server = authority.server(false);
    assert!(server.amqp.listening()[0].tls);
    let mut client = authority.client(&server, None);
    client.log_in();
    client.declare("q", false);
    client.consume("q");
    for size in [0, 1, 100, 16_384, 100_000, 1_000_000] {
        client.publish("q", false, &vec![b'x'; size]);
        client.send();
        assert_eq!(client.delivered().len(), size);
    }
    for number in 0..5_000u32 {
        client.publish("q", false, &number.to_be_bytes());
    }
    client.send();
    for number in 0..5_000u32 {
        assert_eq!(client.delivered(), number.to_be_bytes());
    }
    client.script.close();
    client.send();
    client.expect(MethodId::CONNECTION_CLOSE_OK);
    drop(client);
    server.until_connections(0);
}

#[test]
fn a_certificate_logs_in() {
    let authority = Authority::new();
    for (login_from, user) in [
        (LoginFrom::CommonName, "ada"),
        (LoginFrom::DistinguishedName, "CN=ada"),
    ] {
        let server = Server::start_with(|config| {
            let mut tls = authority.files(true);
            tls.login_from = login_from;
            config.tls_listen = std::mem::take(&mut config.listen);
            config.tls = Some(tls);
        });
        let change = UserChange {
            password: NewPassword::Nothing,
            tags: Vec::new(),
        };
        server
            .amqp
            .with(|broker, _| broker.change_user(user, &change))
            .unwrap();
        // Whoever has a certificate that names nobody here is not offered what could not let him in: a password may.
        for (name, is_known) in [("ada", true), ("CN=ada", false), ("nobody", false)] {
            let mut client = authority.client(&server, Some(name));
            let mut handshake = trefoil_amqp::testing::Handshake::plain("/", "guest", "guest");
            if is_known {
                handshake.mechanism = "EXTERNAL";
                handshake.response = Vec::new();
            }
            client.script.handshake_with(&handshake);
            client.send();
            let start = client.expect(MethodId::CONNECTION_START);
            let trefoil_amqp::Method::ConnectionStart(start) = start.method() else {
                panic!("{start:?}");
            };
            let offered = String::from_utf8_lossy(start.mechanisms).into_owned();
            assert_eq!(offered.contains("EXTERNAL"), is_known, "{offered}");
            client.expect(MethodId::CONNECTION_TUNE);
            if !is_known {
                // Whoever logged in may see it listed.
                client.expect(MethodId::CONNECTION_OPEN_OK);
                let seen = server.amqp.with(|broker, _| broker.connection_views());
                let tls = seen[0].tls.clone().unwrap();
                let certificate = tls.certificate.unwrap();
                assert_eq!(certificate.subject, format!("CN={name}"));
                assert_eq!(certificate.issuer, "CN=authority of a test");
                // What rcgen takes for ever.
                assert_eq!(
                    certificate.validity,
                    "1975-01-01T00:00:00Z - 4096-01-01T00:00:00Z"
                );
            }
            drop(client);
            server.until_connections(0);
        }
    }
}

#[test]
fn without_a_certificate_nobody_comes_in_if_it_is_required() {
    let authority = Authority::new();
    let server = authority.server(true);
    let mut client = authority.client(&server, None);
    client.script.handshake("/", "guest", "guest");
    let output = client.script.take_output();
    let mut answer = Vec::new();
    let talked = client
        .stream
        .write_all(&output)
        .and_then(|()| client.stream.read_to_end(&mut answer));
    assert!(talked.is_err(), "{answer:?}");
    drop(client);
    server.until_connections(0);
}

#[test]
fn files_that_are_no_certificates_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let check = |config: &TlsConfig, expected: &str| {
        let error = Certificates::read(config).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    };
    let authority = Authority::new();
    let (certificate, key) = authority.sign("server", "localhost");
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let good = TlsConfig {
        certificate: write("certificate", &certificate.pem()),
        key: write("key", &key.serialize_pem()),
        client_ca: None,
        client_required: false,
        login_from: LoginFrom::default(),
    };
    Certificates::read(&good).unwrap();
    let changed = |change: &dyn Fn(&mut TlsConfig)| {
        let mut config = good.clone();
        change(&mut config);
        config
    };
    let empty = write("empty", "");
    let missing = Path::new("/no/such/file").to_owned();
    check(
        &changed(&|c| c.certificate = empty.clone()),
        "cannot read a certificate",
    );
    check(
        &changed(&|c| c.key = missing.clone()),
        "cannot read a private key",
    );
    check(
        &changed(&|c| c.client_ca = Some(empty.clone())),
        "authorities of clients",
    );
    let other = KeyPair::generate().unwrap().serialize_pem();
    check(
        &changed(&|c| c.key = write("other", &other)),
        "cannot be used",
    );
}

#[test]
fn new_connections_see_a_new_certificate() {
    let authority = Authority::new();
    let server = authority.server(false);
    let mut early = authority.client(&server, None);
    early.log_in();
    let (certificate, key) = authority.sign("renewed", "localhost");
    authority.write("certificate", &certificate.pem());
    authority.write("key", &key.serialize_pem());
    until(|| {
        let mut stream = authority.stream(&server, None);
        stream.conn.complete_io(&mut stream.sock).unwrap();
        let shown = stream.conn.peer_certificates().unwrap();
        shown[0] == *certificate.der()
    });
    // Those that are there stay.
    early.declare("q", false);
}

#[test]
fn files_are_read_again_when_they_change_and_can_be_used() {
    let authority = Authority::new();
    let certificates = Certificates::read(&authority.files(false)).unwrap();
    let mut now = 0;
    let mut last = certificates.current(now);
    let mut check = |is_renewed: bool| {
        // Not at every connection.
        assert!(Arc::ptr_eq(&certificates.current(now + 999), &last));
        now += 1_000;
        let current = certificates.current(now);
        assert_eq!(!Arc::ptr_eq(&current, &last), is_renewed);
        last = current;
    };
    check(false);
    let (certificate, key) = authority.sign("renewed", "localhost");
    // Half of it cannot be used.
    authority.write("certificate", &certificate.pem());
    check(false);
    check(false);
    authority.write("key", &key.serialize_pem());
    check(true);
    check(false);
    authority.write("authority", "nothing");
    check(false);
    authority.write("authority", &Authority::new().issuer.pem());
    check(true);
    let path = authority.directory.path().join("key");
    std::fs::remove_file(&path).unwrap();
    check(false);
    authority.write("key", &key.serialize_pem());
    check(true);
    check(false);
}
