use std::{fs::OpenOptions, io::Write as _, path::PathBuf, time::Duration};

use super::*;

struct Log {
    _dir: tempfile::TempDir,
    path: PathBuf,
    file: File,
}

impl Log {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .unwrap();
        Self {
            _dir: dir,
            path,
            file,
        }
    }
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("in time")
}

async fn read_all(mut follower: LogFollower) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(chunk) = in_time(follower.next_chunk()).await.unwrap() {
        assert!(!chunk.is_empty() && chunk.len() <= CHUNK);
        all.extend_from_slice(&chunk);
        assert_eq!(follower.offset(), all.len() as u64);
    }
    all
}

#[tokio::test]
async fn a_final_log_is_read_to_its_end() {
    let logs = LogWatch::new().unwrap();
    let mut log = Log::new();
    let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    log.file.write_all(&content).unwrap();
    let (_owner, is_final) = watch::channel(true);
    let follower = logs.follow(&log.path, 0, is_final.clone()).await.unwrap();
    assert_eq!(read_all(follower).await, content);
    let mut follower = logs
        .follow(&log.path, 799_990, is_final.clone())
        .await
        .unwrap();
    assert_eq!(
        follower.next_chunk().await.unwrap().unwrap(),
        content[799_990..]
    );
    assert_eq!(follower.next_chunk().await.unwrap(), None);
    let mut beyond = logs.follow(&log.path, 900_000, is_final).await.unwrap();
    assert_eq!(beyond.next_chunk().await.unwrap(), None);
}

#[tokio::test]
async fn bytes_arrive_as_they_are_written() {
    let logs = LogWatch::new().unwrap();
    let mut log = Log::new();
    let (owner, is_final) = watch::channel(false);
    let mut follower = logs.follow(&log.path, 0, is_final).await.unwrap();
    for line in ["one\n", "two\n", "three\n"] {
        // Polled before the write: so it is the event that wakes it.
        let mut next = std::pin::pin!(follower.next_chunk());
        assert!(
            tokio::time::timeout(Duration::ZERO, &mut next)
                .await
                .is_err()
        );
        log.file.write_all(line.as_bytes()).unwrap();
        assert_eq!(in_time(next).await.unwrap().unwrap(), line);
    }
    let mut next = std::pin::pin!(follower.next_chunk());
    assert!(
        tokio::time::timeout(Duration::ZERO, &mut next)
            .await
            .is_err()
    );
    owner.send(true).unwrap();
    assert_eq!(in_time(next).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_written_before_the_end_is_read_before_the_end() {
    let logs = LogWatch::new().unwrap();
    for _ in 0..50 {
        let mut log = Log::new();
        let (owner, is_final) = watch::channel(false);
        let reader = tokio::spawn(read_all(logs.follow(&log.path, 0, is_final).await.unwrap()));
        tokio::task::yield_now().await;
        log.file.write_all(b"last words").unwrap();
        drop(owner);
        assert_eq!(reader.await.unwrap(), b"last words");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_readers_share_one_watch() {
    let logs = LogWatch::new().unwrap();
    let mut log = Log::new();
    let (owner, is_final) = watch::channel(false);
    let mut readers = Vec::new();
    for _ in 0..300 {
        readers.push(tokio::spawn(read_all(
            logs.follow(&log.path, 0, is_final.clone()).await.unwrap(),
        )));
    }
    assert_eq!(logs.0.watched.files().len(), 1);
    let mut expected = Vec::new();
    for number in 0..500 {
        let line = format!("line {number}\n");
        log.file.write_all(line.as_bytes()).unwrap();
        expected.extend_from_slice(line.as_bytes());
        tokio::task::yield_now().await;
    }
    owner.send(true).unwrap();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), expected);
    }
    assert!(
        logs.0.watched.files().is_empty(),
        "nobody is watched for nobody"
    );
}

#[tokio::test]
async fn a_cancelled_wait_loses_nothing() {
    let logs = LogWatch::new().unwrap();
    let mut log = Log::new();
    let (owner, is_final) = watch::channel(false);
    let mut follower = logs.follow(&log.path, 0, is_final).await.unwrap();
    let mut all = Vec::new();
    for number in 0..200 {
        log.file.write_all(format!("{number},").as_bytes()).unwrap();
        if let Ok(chunk) = tokio::time::timeout(Duration::ZERO, follower.next_chunk()).await {
            all.extend_from_slice(&chunk.unwrap().unwrap());
        }
    }
    owner.send(true).unwrap();
    while let Some(chunk) = in_time(follower.next_chunk()).await.unwrap() {
        all.extend_from_slice(&chunk);
    }
    let expected: String = (0..200).map(|number| format!("{number},")).collect();
    assert_eq!(all, expected.as_bytes());
}

#[tokio::test]
async fn a_removed_log_is_read_to_its_end_and_the_watch_goes_on() {
    let logs = LogWatch::new().unwrap();
    let mut removed = Log::new();
    let (owner, is_final) = watch::channel(false);
    let follower = logs
        .follow(&removed.path, 0, is_final.clone())
        .await
        .unwrap();
    removed.file.write_all(b"gone").unwrap();
    std::fs::remove_file(&removed.path).unwrap();
    assert!(
        logs.follow(&removed.path, 0, is_final.clone())
            .await
            .is_err()
    );
    owner.send(true).unwrap();
    assert_eq!(read_all(follower).await, b"gone");

    let mut other = Log::new();
    let (_owner, is_final) = watch::channel(false);
    let mut follower = logs.follow(&other.path, 0, is_final).await.unwrap();
    other.file.write_all(b"here").unwrap();
    assert_eq!(
        in_time(follower.next_chunk()).await.unwrap().unwrap(),
        "here"
    );
}
