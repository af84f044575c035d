//! TLS to others: whom to believe.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustls::ClientConfig;

use super::{TlsError, reload::Stamp, roots};

/// Where systems keep the authorities that they believe.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// The variable that names another file, as with OpenSSL.
const VARIABLE: &str = "SSL_CERT_FILE";

/// Files of authorities, and what they were when they were read.
#[derive(Debug, Default)]
pub(crate) struct Authorities {
    read: Mutex<HashMap<PathBuf, Known>>,
}

#[derive(Debug)]
struct Known {
    stamp: Option<Stamp>,
    config: Arc<ClientConfig>,
}

impl Authorities {
    /// How to speak to somebody whose certificate is of an authority in `file`, or of one that the system believes. Names
    /// are always verified.
    ///
    /// # Errors
    /// [`TlsError`].
    pub(crate) fn config(&self, file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
        let path = file.map_or_else(system, Path::to_owned);
        let stamp = Stamp::of(&path);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = read.get(&path)
            && known.stamp == stamp
        {
            return Ok(Arc::clone(&known.config));
        }
        // What was read from it before is not believed any more, whatever is there now.
        read.remove(&path);
        let config = client_config(&path)?;
        let known = Known {
            stamp,
            config: Arc::clone(&config),
        };
        read.insert(path, known);
        Ok(config)
    }
}

fn system() -> PathBuf {
    let named = std::env::var_os(VARIABLE).filter(|path| !path.is_empty());
    named.map_or_else(
        || {
            let found = SYSTEM.iter().find(|path| Path::new(path).is_file());
            PathBuf::from(found.unwrap_or(&SYSTEM[0]))
        },
        PathBuf::from,
    )
}

fn client_config(path: &Path) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = roots(path, "authorities")?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::File {
            what: "authorities",
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
    Ok(Arc::new(
        builder.with_root_certificates(roots).with_no_client_auth(),
    ))
}
