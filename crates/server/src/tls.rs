//! What TLS needs from files: certificates, keys, authorities.

mod connect;
mod reload;
mod stream;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};

pub(crate) use connect::Authorities;
pub(crate) use reload::Certificates;
pub(crate) use stream::{RECORD_MAX, Stream};

/// The files of a TLS listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those between it and its authority, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The authorities whose clients are believed, PEM. Without it clients are not asked for certificates.
    pub client_ca: Option<PathBuf>,
    /// Whether clients without a certificate are refused.
    pub client_required: bool,
}

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or has nothing of what is needed.
    #[error("cannot read {what} from {}: {reason}", path.display())]
    File {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The key is not that of the certificate, or of a kind that nobody speaks.
    #[error("the certificate {} and its key cannot be used: {reason}", path.display())]
    Certificate {
        /// The certificate.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

/// Reads certificates and key.
///
/// # Errors
/// [`TlsError`].
fn server_config(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(&files.certificate, "a certificate")?;
    let key = private_key(&files.key)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let unusable = |error: rustls::Error| TlsError::Certificate {
        path: files.certificate.clone(),
        reason: error.to_string(),
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let unfit = |reason: String| TlsError::File {
                what: "authorities of clients",
                path: path.clone(),
                reason,
            };
            let roots = roots(path, "authorities of clients")?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = match files.client_required {
                true => verifier,
                false => verifier.allow_unauthenticated(),
            };
            let verifier = verifier.build().map_err(|error| unfit(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let config = builder.with_single_cert(chain, key).map_err(unusable)?;
    Ok(Arc::new(config))
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| TlsError::File {
        what: "a private key",
        path: path.to_path_buf(),
        reason: error.to_string(),
    })
}

fn certificates(path: &Path, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unfit = |reason: String| TlsError::File {
        what,
        path: path.to_path_buf(),
        reason,
    };
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(|error| unfit(error.to_string()))?
        .collect();
    match found {
        Ok(found) if found.is_empty() => Err(unfit("there is none".to_owned())),
        Ok(found) => Ok(found),
        Err(error) => Err(unfit(error.to_string())),
    }
}

/// The authorities in a file.
pub(crate) fn roots(path: &Path, what: &'static str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, what)? {
        roots.add(certificate).map_err(|error| TlsError::File {
            what,
            path: path.to_path_buf(),
            reason: error.to_string(),
        })?;
    }
    Ok(roots)
}
