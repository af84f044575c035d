//! Writing from the asynchronous side.

use super::*;
use crate::files::{AsyncWriter, BlockingWrite, FileError, NewUpload, Uploads};

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn roomy(directory: &TempDir) -> FileStore {
    let limits = Limits {
        size_max: 2 << 20,
        ..LIMITS
    };
    FileStore::open(directory.path(), limits).unwrap()
}

#[test]
fn chunks_of_any_size_become_the_file() {
    let directory = TempDir::new().unwrap();
    let store = roomy(&directory);
    let content: Vec<u8> = (0..1_500_000_u32).map(|n| (n % 251) as u8).collect();
    for chunk_size in [100, 65_536, 700_000, 1_500_000] {
        let stored = run(async {
            let mut writer = AsyncWriter::new(store.writer().unwrap());
            for chunk in content.chunks(chunk_size) {
                writer.write(chunk).await.unwrap();
            }
            writer.finish(Some(Sha256::of(&content))).await.unwrap()
        });
        assert_eq!((stored.size, stored.is_new), (1_500_000, chunk_size == 100));
    }
    let empty = run(AsyncWriter::new(store.writer().unwrap()).finish(None)).unwrap();
    assert_eq!(empty.sha256, Sha256::of(b""));
}

#[test]
fn a_limit_met_on_the_blocking_side_comes_back_and_closes_the_writer() {
    let directory = TempDir::new().unwrap();
    let store = roomy(&directory);
    run(async {
        let mut writer = AsyncWriter::new(store.writer().unwrap());
        let mut taken = 0;
        let error = loop {
            match writer.write(&[0; 65_536]).await {
                Ok(()) => taken += 65_536,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, FileError::TooLarge { .. }), "{error}");
        // The limit, one batch under way, one being collected.
        assert!(
            taken <= (2 << 20) + 2 * 262_144 + 65_536,
            "{taken} bytes were taken"
        );
        assert!(matches!(
            writer.write(&[0; 300_000]).await,
            Err(FileError::Closed)
        ));
        assert!(matches!(writer.finish(None).await, Err(FileError::Closed)));
    });
    assert_eq!(store.iter().count(), 0);
    assert!(
        fs::read_dir(directory.path().join("tmp"))
            .unwrap()
            .next()
            .is_none()
    );
}

/// Blocks on each batch until told to go on.
struct Gate {
    go: std::sync::mpsc::Receiver<()>,
    batches: std::sync::mpsc::Sender<usize>,
}

impl BlockingWrite for Gate {
    fn write(&mut self, chunk: &[u8]) -> Result<(), FileError> {
        self.batches.send(chunk.len()).unwrap();
        self.go.recv().map_err(|_| FileError::Closed)
    }
}

#[test]
fn a_slow_disk_holds_the_sender_back_and_small_chunks_are_collected() {
    use std::task::{Context, Poll, Waker};
    let (go, wait) = std::sync::mpsc::channel();
    let (batches, seen) = std::sync::mpsc::channel();
    run(async {
        let mut writer = AsyncWriter::new(Gate { go: wait, batches });
        let mut context = Context::from_waker(Waker::noop());
        let mut taken = 0;
        // Polled by hand: pending means that the sender is held back.
        while Box::pin(writer.write(&[7; 1024]))
            .as_mut()
            .poll(&mut context)
            .is_ready()
        {
            taken += 1024;
            assert!(taken < 10 << 20, "nothing holds the sender back");
        }
        assert_eq!(taken, 2 * 262_144, "one batch under way and one collected");
        // The chunk that was refused by dropping its future was not taken; it comes again.
        go.send(()).unwrap();
        go.send(()).unwrap();
        writer.write(&[7; 1024]).await.unwrap();
        assert_eq!(seen.recv().unwrap(), 262_144);
        assert_eq!(seen.recv().unwrap(), 262_144);
        assert!(matches!(
            Box::pin(writer.write(b"x")).as_mut().poll(&mut context),
            Poll::Ready(Ok(()))
        ));
        drop(go);
    });
}

#[test]
fn uploads_are_appended_to_from_the_asynchronous_side() {
    let directory = TempDir::new().unwrap();
    let uploads = Uploads::open(roomy(&directory)).unwrap();
    let id = uploads.create(NewUpload::default(), 0).unwrap();
    run(async {
        for start in [0, 600_000] {
            let mut writer = AsyncWriter::new(uploads.append(id, start).unwrap());
            for _ in 0..600 {
                writer.write(&[9; 1000]).await.unwrap();
            }
            assert_eq!(writer.finish().await.unwrap(), start + 600_000);
        }
    });
    assert_eq!(
        uploads.complete(id).unwrap().sha256,
        Sha256::of(&vec![9; 1_200_000])
    );
}
