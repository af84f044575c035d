//! Ctrl-C while a command waits: say that the job goes on, then leave with 130.

use std::io::Write as _;
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Exit;

static ELSEWHERE: AtomicBool = AtomicBool::new(false);
static PARTING_WORDS: Mutex<Option<String>> = Mutex::new(None);

/// Says `words` to standard error if Ctrl-C ends this process from now on.
///
/// The first call starts a thread that waits for the signal; it lives as long as the process.
/// Where that fails, the signal's default action ends the process, which the shell reports as 130
/// too.
pub(crate) fn say_on_interrupt(words: String) {
    if ELSEWHERE.load(Ordering::Relaxed) {
        return;
    }
    let mut parting = PARTING_WORDS.lock().unwrap_or_else(PoisonError::into_inner);
    if parting.replace(words).is_some() {
        return;
    }
    drop(parting);
    if let Err(error) = listen() {
        tracing::debug!(%error, "Ctrl-C ends this process without a word");
    }
}

/// From now on somebody else obeys Ctrl-C: this process has more to do than to leave.
pub(crate) fn is_obeyed_elsewhere() {
    ELSEWHERE.store(true, Ordering::Relaxed);
}

fn listen() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Here and not in the thread: when this returns, the signal is heard.
    let interrupts = {
        let _inside = runtime.enter();
        signal(SignalKind::interrupt())?
    };
    std::thread::Builder::new()
        .name("interrupt".to_owned())
        .spawn(move || leave_on(&runtime, interrupts))?;
    Ok(())
}

fn leave_on(runtime: &Runtime, mut interrupts: Signal) {
    if runtime.block_on(interrupts.recv()).is_none() {
        return;
    }
    let parting = PARTING_WORDS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(words) = parting.as_deref() {
        let _ = writeln!(std::io::stderr(), "\n{words}");
    }
    std::process::exit(i32::from(Exit::Interrupted as u8));
}
