//! Finding and reading service directories.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use trefoil_director::{CONTRACT_FILE, Problem, Service, ServiceFiles, Source, digest_of_files};

use crate::files::Sha256;

/// How deep below a root services are looked for: keys have few segments.
const DEPTH_MAX: usize = 8;
/// Files of a service that its digest covers; a directory with more is a data set, not a service.
const FILES_MAX: usize = 10_000;
/// Bytes of a service that its digest covers.
const BYTES_MAX: u64 = 1 << 30;
/// The longest metadata or service file that is read at all; the director has its own limit below this one.
const DESCRIPTION_MAX: u64 = 4 << 20;
/// Files of a contract.
const CONTRACT_FILES_MAX: usize = 1_000;
/// Directories that hold no services and may be huge.
const SKIPPED: [&str; 4] = ["target", "node_modules", "__pycache__", "venv"];

/// What was found in one directory.
pub(super) struct Found {
    pub(super) label: String,
    /// Nothing if it is as it is known: reading it takes far longer than its digest, and one change has all be looked at.
    pub(super) service: Option<Result<Service, Vec<Problem>>>,
}

/// Services that need not be read: by label their digest and their own directory.
pub(super) type Known = HashMap<String, (String, PathBuf)>;

/// Every service at or below `root`.
pub(super) fn services(
    root: &Path,
    known: &Known,
    source: &dyn Fn(PathBuf) -> Source,
) -> Vec<Found> {
    let mut found = Vec::new();
    visit(root, 0, known, source, &mut found);
    found
}

/// Every directory at or below `root` in which a service may be or appear.
pub(super) fn directories(root: &Path) -> Vec<PathBuf> {
    let mut all = vec![root.to_owned()];
    let mut next = 0;
    while let Some(dir) = all.get(next).cloned() {
        next += 1;
        let depth = dir
            .strip_prefix(root)
            .map_or(0, |below| below.components().count());
        if depth < DEPTH_MAX {
            all.extend(subdirectories(&dir).unwrap_or_default());
        }
        if all.len() > FILES_MAX {
            break;
        }
    }
    all
}

fn subdirectories(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut below = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let hidden = name.as_encoded_bytes().starts_with(b".") && name != ".osparc";
        let skipped = hidden || SKIPPED.iter().any(|skipped| name == *skipped);
        // The type of the entry itself: links to directories are not followed, so there are no cycles.
        if !skipped && entry.file_type()?.is_dir() {
            below.push(entry.path());
        }
    }
    below.sort_unstable();
    Ok(below)
}

fn visit(
    dir: &Path,
    depth: usize,
    known: &Known,
    source: &dyn Fn(PathBuf) -> Source,
    found: &mut Vec<Found>,
) {
    let label = dir.display().to_string();
    let metadata = ["metadata.yml", ".osparc/metadata.yml"].map(|name| dir.join(name));
    let metadata = metadata.iter().find(|path| path.is_file());
    if metadata.is_some() || dir.join(CONTRACT_FILE).is_file() {
        let service = load(dir, metadata, known.get(&label), source)
            .unwrap_or_else(|error| Some(unreadable(dir, &error)));
        found.push(Found { label, service });
        return;
    }
    match subdirectories(dir) {
        Ok(below) if depth < DEPTH_MAX => below
            .iter()
            .for_each(|dir| visit(dir, depth + 1, known, source, found)),
        Ok(_) => {}
        Err(error) => found.push(Found {
            service: Some(unreadable(dir, &error)),
            label,
        }),
    }
}

fn unreadable(dir: &Path, error: &io::Error) -> Result<Service, Vec<Problem>> {
    let reason = format!("cannot be read: {error}");
    Err(vec![Problem::error(
        &dir.display().to_string(),
        (0, 0),
        "",
        reason,
    )])
}

fn load(
    dir: &Path,
    metadata: Option<&PathBuf>,
    known: Option<&(String, PathBuf)>,
    source: &dyn Fn(PathBuf) -> Source,
) -> io::Result<Option<Result<Service, Vec<Problem>>>> {
    let digest = digest(dir)?;
    let own = dir.canonicalize()?;
    if known.is_some_and(|(known, place)| *known == digest && *place == own) {
        return Ok(None);
    }
    let toml = dir.join("service.toml");
    let service_toml = match read(&toml) {
        Ok(bytes) => Some((toml.display().to_string(), bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let files = ServiceFiles {
        label: dir.display().to_string(),
        metadata: match metadata {
            Some(path) => Some((path.display().to_string(), read(path)?)),
            None => None,
        },
        service_toml,
        contract: contract(dir)?,
        digest,
        source: source(own),
    };
    // What was published without metadata has its id from the request, and keeps it in the name of its directory.
    let id = match &files.source {
        Source::Published { dir } => super::publish::id_of(dir),
        Source::Directory { .. } | Source::Builtin => None,
    };
    let service = Service::load_as(&files, id.as_ref());
    Ok(Some(service.map(|service| Service {
        written_at: written_at(&dir.join(CONTRACT_FILE)),
        ..service
    })))
}

/// When a file was written, in seconds since 1970.
fn written_at(path: &Path) -> Option<u64> {
    let time = fs::metadata(path).ok()?.modified().ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// The contract and all files that it may include, if there is one.
fn contract(dir: &Path) -> io::Result<Option<BTreeMap<String, Vec<u8>>>> {
    if !dir.join(CONTRACT_FILE).is_file() {
        return Ok(None);
    }
    let mut texts = BTreeMap::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(current) = pending.pop() {
        pending.extend(subdirectories(&current)?);
        for entry in fs::read_dir(&current)? {
            let path = entry?.path();
            let is_thrift = path.extension().is_some_and(|ending| ending == "thrift");
            if !is_thrift || !path.is_file() {
                continue;
            }
            if texts.len() >= CONTRACT_FILES_MAX {
                return Err(io::Error::other(format!(
                    "more than {CONTRACT_FILES_MAX} files end in .thrift"
                )));
            }
            let name = path.strip_prefix(dir).unwrap_or(&path);
            texts.insert(name.to_string_lossy().into_owned(), read(&path)?);
        }
    }
    Ok(Some(texts))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = fs::File::open(path)?;
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, DESCRIPTION_MAX), &mut bytes)?;
    Ok(bytes)
}

/// The digest of all files of a service, whatever they are called.
fn digest(dir: &Path) -> io::Result<String> {
    let mut hashed = Vec::new();
    let mut bytes = 0;
    let mut pending = vec![dir.to_owned()];
    while let Some(current) = pending.pop() {
        pending.extend(subdirectories(&current)?);
        for entry in fs::read_dir(&current)? {
            let entry = entry?;
            if !entry.file_type()?.is_file() {
                continue;
            }
            bytes += entry.metadata()?.len();
            if hashed.len() >= FILES_MAX || bytes > BYTES_MAX {
                return Err(io::Error::other(format!(
                    "more than {FILES_MAX} files or {BYTES_MAX} bytes: keep data outside of the service"
                )));
            }
            let path = entry.path();
            let name = path
                .strip_prefix(dir)
                .unwrap_or(&path)
                .to_string_lossy()
                .into_owned();
            hashed.push((name, *Sha256::of(&fs::read(&path)?).as_bytes()));
        }
    }
    Ok(digest_of_files(
        hashed.iter().map(|(name, hash)| (name.as_str(), *hash)),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_only_what_is_not_known() {
        let root = tempfile::tempdir().unwrap();
        let contract =
            "service One { i32 one() } (trefoil.key = \"test/one\", trefoil.version = \"1.0.0\")";
        for name in ["a", "b"] {
            let dir = root.path().join(name);
            fs::create_dir(&dir).unwrap();
            let contract = contract.replace("test/one", &format!("test/{name}"));
            fs::write(dir.join(CONTRACT_FILE), contract).unwrap();
        }
        let source = |dir| Source::Directory { dir };
        let first = services(root.path(), &Known::new(), &source);
        let known: Known = first
            .iter()
            .map(|one| {
                let service = one.service.as_ref().unwrap().as_ref().unwrap();
                let dir = service.source.dir().unwrap().to_owned();
                (one.label.clone(), (service.digest.clone(), dir))
            })
            .collect();
        assert_eq!(known.len(), 2);

        fs::write(root.path().join("b/notes.txt"), "new").unwrap();
        let again = services(root.path(), &known, &source);
        let is_read: Vec<bool> = again.iter().map(|one| one.service.is_some()).collect();
        assert_eq!(is_read, [false, true]);

        // The same files elsewhere are another service: it runs there.
        let elsewhere: Known = known
            .into_iter()
            .map(|(label, (digest, _))| (label, (digest, PathBuf::from("/elsewhere"))))
            .collect();
        let again = services(root.path(), &elsewhere, &source);
        assert!(again.iter().all(|one| one.service.is_some()));
    }
}
