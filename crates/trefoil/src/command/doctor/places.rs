//! Where the platform listens: ports and unix sockets.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpListener},
    os::unix::{fs::FileTypeExt as _, net::UnixStream},
    path::Path,
};

use super::{Check, Verdict, check, writable};
use crate::config::Settings;

/// All of them. `running`: a platform answers, so what is taken is most likely its own.
pub(super) fn all(settings: &Settings, running: bool) -> Vec<Check> {
    let amqp = &settings.amqp;
    let mut wanted = vec![("http.listen", settings.http_listen)];
    if settings.thrift.enabled {
        let addresses = settings.thrift.listen.iter();
        wanted.extend(addresses.map(|address| ("thrift.listen", *address)));
    }
    if amqp.enabled {
        for (key, addresses) in [
            ("amqp.listen", &amqp.listen),
            ("amqp.tls_listen", &amqp.tls_listen),
            ("management.listen", &amqp.management_listen),
        ] {
            wanted.extend(addresses.iter().map(|address| (key, *address)));
        }
    }
    let ports = wanted.into_iter();
    let ports = ports.map(|(key, address)| port(key, address, running));
    let thrift = Some(&settings.thrift).filter(|thrift| thrift.enabled);
    let path = thrift.and_then(|thrift| thrift.unix_listen.as_deref());
    let sockets = path.map(|path| socket("thrift.unix_listen", path, running));
    ports.chain(sockets).collect()
}

fn port(key: &str, address: SocketAddr, running: bool) -> Check {
    match TcpListener::bind(address) {
        Ok(_) => check(
            "port",
            Verdict::Ok,
            format!("{address} is free ({key})"),
            "",
        ),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let verdict = if running { Verdict::Ok } else { Verdict::Fail };
            let flag = key.replace(['.', '_'], "-");
            let hint = format!("end what listens there, or choose another port with --{flag}");
            check(
                "port",
                verdict,
                format!("{address} is in use ({key})"),
                hint,
            )
        }
        Err(error) => {
            let detail = format!("{address}: {error}");
            check("port", Verdict::Fail, detail, format!("correct {key}"))
        }
    }
}

/// A unix socket. It is not made here, not even for a moment: somebody may be about to.
fn socket(key: &str, path: &Path, running: bool) -> Check {
    let shown = path.display();
    let elsewhere = format!(
        "choose another path with --{}",
        key.replace(['.', '_'], "-")
    );
    let verdict = |verdict, detail: String, hint: &str| check("socket", verdict, detail, hint);
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let parent = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            let detail = format!("{shown} is not there yet; `trefoil up` makes it ({key})");
            return match writable(parent.unwrap_or(Path::new("."))) {
                // How long the path may be is known to who tries.
                Ok(()) => match UnixStream::connect(path) {
                    Err(error) if error.kind() == ErrorKind::InvalidInput => verdict(
                        Verdict::Fail,
                        format!("{shown}: {error} ({key})"),
                        &elsewhere,
                    ),
                    _ => verdict(Verdict::Ok, detail, ""),
                },
                Err(error) => {
                    let detail = format!("{shown} cannot be made: {error} ({key})");
                    verdict(Verdict::Fail, detail, &elsewhere)
                }
            };
        }
        Err(error) => {
            return verdict(
                Verdict::Fail,
                format!("{shown}: {error} ({key})"),
                &elsewhere,
            );
        }
        Ok(about) if !about.file_type().is_socket() => {
            let detail = format!("{shown} is a file that is no socket ({key})");
            return verdict(Verdict::Fail, detail, &elsewhere);
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => {
            let hint = format!("end what listens there, or {elsewhere}");
            let found = if running { Verdict::Ok } else { Verdict::Fail };
            verdict(found, format!("{shown} is in use ({key})"), &hint)
        }
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            let detail = format!("{shown} is of somebody who is gone; it is replaced ({key})");
            verdict(Verdict::Ok, detail, "")
        }
        Err(error) => verdict(
            Verdict::Fail,
            format!("{shown}: {error} ({key})"),
            &elsewhere,
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_socket_is_free_taken_left_over_or_cannot_be() {
        let dir = tempfile::tempdir().unwrap();
        let found = |path: &Path, running| {
            let found = socket("thrift.unix_listen", path, running);
            (found.verdict, found.detail, found.hint)
        };
        let path = dir.path().join("s");
        assert_eq!(found(&path, false).0, Verdict::Ok);
        assert!(!path.try_exists().unwrap());
        let listener = UnixListener::bind(&path).unwrap();
        let (verdict, detail, hint) = found(&path, false);
        assert_eq!(verdict, Verdict::Fail);
        assert!(
            detail.ends_with("is in use (thrift.unix_listen)"),
            "{detail}"
        );
        assert!(hint.unwrap().ends_with("--thrift-unix-listen"));
        assert_eq!(found(&path, true).0, Verdict::Ok);
        drop(listener);
        let (verdict, detail, _) = found(&path, false);
        assert_eq!(verdict, Verdict::Ok);
        assert!(detail.contains("is of somebody who is gone"), "{detail}");

        let file = dir.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let long = dir.path().join("l".repeat(120));
        let nowhere = dir.path().join("none/s");
        for (path, said) in [
            (&file, "is a file that is no socket"),
            (&file.join("s"), "ot a directory"),
            (&long, "path must be shorter"),
            (&nowhere, "cannot be made"),
        ] {
            let (verdict, detail, hint) = found(path, false);
            assert_eq!(verdict, Verdict::Fail, "{detail}");
            assert!(detail.contains(said), "{detail}");
            assert!(hint.is_some());
        }
    }
}
