//! What both sides of TLS want to know.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    server::WebPkiClientVerifier,
};

/// The host of an address.
pub fn name(address: &str) -> ServerName<'static> {
    let (host, _) = address.rsplit_once(':').expect("an address has a port");
    ServerName::try_from(host.to_owned()).expect("a host has a name")
}

/// Believes the authority.
pub fn client(ca: &Path) -> Arc<ClientConfig> {
    provide();
    let configuration = ClientConfig::builder().with_root_certificates(roots(ca));
    Arc::new(configuration.with_no_client_auth())
}

/// Shows the certificate beside the authority's, and asks for one that the authority has made.
pub fn server(ca: &Path) -> Arc<ServerConfig> {
    provide();
    let beside = |name: &str| ca.parent().expect("a file is in a directory").join(name);
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots(ca)))
        .build()
        .unwrap();
    let certificate = CertificateDer::from_pem_file(beside("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(beside("server.key")).unwrap();
    let configuration = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate], key);
    Arc::new(configuration.unwrap())
}

fn roots(ca: &Path) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(ca).unwrap())
        .unwrap();
    roots
}

/// Who is second finds that it is done.
fn provide() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
