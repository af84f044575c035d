//! The files of a published service: checked, and put where they belong.

use std::{fs, io, path::Path};

use trefoil_director::{CONTRACT_FILE, Problem, ServiceFiles, ServiceId, Source, digest_of_files};

use super::{Publication, ServiceError};

/// Files of one published service: enough for scripts and tables; programs and data are installed beside the platform.
const PUBLISHED_FILES_MAX: usize = 1_000;

/// A version's directory among the published ones: a plain file name, different for different versions.
pub(crate) fn directory_name(id: &ServiceId) -> String {
    // Keys have neither `%` nor `@`; versions have neither `/` nor `@`.
    format!("{}@{}", id.key.as_str().replace('/', "%"), id.version)
}

/// The version that a directory among the published ones is of: the reverse of [`directory_name`].
pub(super) fn id_of(dir: &Path) -> Option<ServiceId> {
    let (key, version) = dir.file_name()?.to_str()?.split_once('@')?;
    format!("{}:{version}", key.replace('%', "/")).parse().ok()
}

/// Checks names and makes the description that the director reads.
pub(super) fn check(publication: &Publication, dir: &Path) -> Result<ServiceFiles, ServiceError> {
    let problem = |name: &str, reason: &str| {
        ServiceError::Broken(vec![Problem::error(name, (0, 0), "files", reason)])
    };
    if publication.files.len() > PUBLISHED_FILES_MAX {
        return Err(problem(
            "files",
            &format!("more than {PUBLISHED_FILES_MAX} files"),
        ));
    }
    for name in publication.files.keys() {
        let plain = |part: &str| {
            !matches!(part, "" | "." | "..") && part.len() <= 255 && !part.contains(['\0', '\\'])
        };
        if name.len() > 1_024 || !name.split('/').all(plain) {
            return Err(problem(name, "is not a relative path inside the service"));
        }
        if matches!(name.as_str(), "metadata.yml" | "service.toml") {
            return Err(problem(name, "is given as a member of its own"));
        }
    }
    let mut hashed = Vec::new();
    let named = [
        ("metadata.yml", &publication.metadata),
        ("service.toml", &publication.service),
    ];
    for (name, text) in named {
        hashed.extend(
            text.as_ref()
                .map(|text| (name.to_owned(), sha256(text.as_bytes()))),
        );
    }
    hashed.extend(
        publication
            .files
            .iter()
            .map(|(name, text)| (name.clone(), sha256(text.as_bytes()))),
    );
    Ok(ServiceFiles {
        label: dir.display().to_string(),
        metadata: publication
            .metadata
            .clone()
            .map(|text| ("metadata.yml".to_owned(), text.into_bytes())),
        service_toml: publication
            .service
            .clone()
            .map(|text| ("service.toml".to_owned(), text.into_bytes())),
        contract: publication.files.contains_key(CONTRACT_FILE).then(|| {
            let thrift = publication
                .files
                .iter()
                .filter(|(name, _)| name.ends_with(".thrift"));
            thrift
                .map(|(name, text)| (name.clone(), text.clone().into_bytes()))
                .collect()
        }),
        digest: digest_of_files(hashed.iter().map(|(name, hash)| (name.as_str(), *hash))),
        source: Source::Published {
            dir: dir.to_owned(),
        },
    })
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    *crate::files::Sha256::of(bytes).as_bytes()
}

/// Puts the files where they belong in one step: whoever looks sees the old directory or the new one.
pub(super) fn write_directory(dir: &Path, publication: &Publication) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = dir.parent().unwrap_or(dir);
    let name = dir
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let temporary = parent.join(format!(".new-{name}"));
    if temporary.try_exists()? {
        fs::remove_dir_all(&temporary)?;
    }
    let write = |name: &str, text: &str| -> io::Result<()> {
        let path = temporary.join(name);
        fs::create_dir_all(path.parent().unwrap_or(&temporary))?;
        let mut file = fs::File::create(&path)?;
        io::Write::write_all(&mut file, text.as_bytes())?;
        if text.starts_with("#!") {
            file.set_permissions(fs::Permissions::from_mode(0o755))?;
        }
        file.sync_all()
    };
    if let Some(text) = &publication.metadata {
        write("metadata.yml", text)?;
    }
    if let Some(text) = &publication.service {
        write("service.toml", text)?;
    }
    for (name, text) in &publication.files {
        write(name, text)?;
    }
    if dir.try_exists()? {
        rustix::fs::renameat_with(
            rustix::fs::CWD,
            &temporary,
            rustix::fs::CWD,
            dir,
            rustix::fs::RenameFlags::EXCHANGE,
        )?;
        fs::remove_dir_all(&temporary)?;
    } else {
        fs::rename(&temporary, dir)?;
    }
    fs::File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_says_of_which_version_it_is() {
        for id in ["a:1.0.0", "a/b-c/d_e.f:1.2.3-rc.1+x.5"] {
            let id: ServiceId = id.parse().unwrap();
            let dir = Path::new("/published").join(directory_name(&id));
            assert_eq!(id_of(&dir), Some(id));
        }
        assert_eq!(id_of(Path::new("/published/other")), None);
    }
}
