//! TLS to others: whom to believe, and what to show them.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{ClientConfig, client::Resumption};

use super::{TlsError, certificates, private_key, reload::Stamp, roots};

/// Where systems keep the authorities that they believe.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// The variable that names another file, as with OpenSSL.
const VARIABLE: &str = "SSL_CERT_FILE";

/// Files for TLS to somebody.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Files {
    authorities: PathBuf,
    /// A certificate and its key, for who asks for one.
    shown: Option<(PathBuf, PathBuf)>,
}

/// What is in files, and what they were when they were read.
#[derive(Debug, Default)]
pub(crate) struct Authorities {
    read: Mutex<HashMap<Files, Known>>,
}

#[derive(Debug)]
struct Known {
    seen: [Option<Stamp>; 3],
    config: Arc<ClientConfig>,
}

impl Files {
    fn seen(&self) -> [Option<Stamp>; 3] {
        let certificate = self.shown.as_ref().map(|(certificate, _)| certificate);
        let key = self.shown.as_ref().map(|(_, key)| key);
        let paths = [Some(&self.authorities), certificate, key];
        paths.map(|path| path.and_then(|path| Stamp::of(path)))
    }
}

impl Authorities {
    /// How to speak to somebody whose certificate is of an authority in `file`, or of one that the system believes. Names
    /// are always verified. `shown` is a certificate of our own, and its key, for who asks for one.
    ///
    /// # Errors
    /// [`TlsError`].
    pub(crate) fn config(
        &self,
        file: Option<&Path>,
        shown: Option<(&Path, &Path)>,
    ) -> Result<Arc<ClientConfig>, TlsError> {
        let files = Files {
            authorities: file.map_or_else(system, Path::to_owned),
            shown: shown.map(|(certificate, key)| (certificate.to_owned(), key.to_owned())),
        };
        // Before they are read: what is written meanwhile is for the next look.
        let seen = files.seen();
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = read.get(&files)
            && known.seen == seen
        {
            return Ok(Arc::clone(&known.config));
        }
        // What was read from them before does not count any more, whatever is there now.
        read.remove(&files);
        let config = client_config(&files)?;
        let known = Known {
            seen,
            config: Arc::clone(&config),
        };
        read.insert(files, known);
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

fn client_config(files: &Files) -> Result<Arc<ClientConfig>, TlsError> {
    let path = &files.authorities;
    let roots = roots(path, "authorities")?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::File {
            what: "authorities",
            path: path.to_owned(),
            reason: error.to_string(),
        })?
        .with_root_certificates(roots);
    let Some((certificate, key)) = &files.shown else {
        return Ok(Arc::new(builder.with_no_client_auth()));
    };
    let chain = certificates(certificate, "a certificate")?;
    let config = builder.with_client_auth_cert(chain, private_key(key)?);
    let mut config = config.map_err(|error| TlsError::Certificate {
        path: certificate.clone(),
        reason: error.to_string(),
    })?;
    // Servers that ask for certificates and give sessions no context, which OpenSSL leaves to them, offer to resume sessions
    // and refuse it: Thrift's in C++ for one.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}
