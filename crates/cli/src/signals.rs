//! SIGINT and SIGTERM.

use crate::error::{CliError, Exit};

/// Calls `then` for each signal that asks the process to end. Never returns by itself.
pub async fn each(then: impl Fn()) {
    loop {
        if !next().await {
            // No signals to be had: the process ends by other means.
            return std::future::pending().await;
        }
        then();
    }
}

/// Waits for the next signal; false if there are none on this platform.
async fn next() -> bool {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            return false;
        };
        tokio::select! {
            got = interrupt.recv() => got.is_some(),
            got = terminate.recv() => got.is_some(),
        }
    }
    #[cfg(not(unix))]
    {
        tokio::signal::ctrl_c().await.is_ok()
    }
}

/// `work`, unless a signal comes first.
pub async fn unless_interrupted<T>(
    attempted: &str,
    advice: &str,
    work: impl Future<Output = Result<T, CliError>>,
) -> Result<T, CliError> {
    tokio::select! {
        done = work => done,
        true = next() => {
            Err(CliError::new(attempted, "interrupted", "interrupted", Exit::Interrupted).advise(advice))
        }
    }
}
