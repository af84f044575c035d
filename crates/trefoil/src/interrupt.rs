//! Ctrl-C while a command waits: say that the job goes on, then leave with 130.

use std::sync::Mutex;

use crate::failure::Exit;

static PARTING_WORDS: Mutex<Option<String>> = Mutex::new(None);

/// Says `words` to standard error if Ctrl-C ends this process from now on.
///
/// The first call starts a thread that waits for the signal; it lives as long as the process.
/// Without it (no thread to be had) the signal's default action ends the process, which the
/// shell reports as 130 too.
pub(crate) fn say_on_interrupt(words: String) {
    let mut parting = PARTING_WORDS
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let first = parting.is_none();
    *parting = Some(words);
    drop(parting);
    if first {
        let spawned = std::thread::Builder::new()
            .name("interrupt".to_owned())
            .spawn(wait_for_signal);
        if let Err(error) = spawned {
            tracing::debug!(%error, "no thread for signals");
        }
    }
}

fn wait_for_signal() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else { return };
    if runtime.block_on(tokio::signal::ctrl_c()).is_err() {
        return;
    }
    let parting = PARTING_WORDS
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(words) = parting.as_deref() {
        eprintln!("\n{words}");
    }
    std::process::exit(i32::from(Exit::Interrupted as u8));
}
