//! The execution worker's work: segments into files, a line for each.

use super::{
    GuestError,
    execute::{Cut, GuestInput, run},
    program::Guest,
    refuse_development_mode,
};
use crate::{BackendError, Control, ProgramFiles, worker};
use std::{
    fs, io,
    path::Path,
    time::{Duration, Instant},
};
use zkpool_protocol::{ExecuteReply, ExecuteRequest};

/// The most bytes of segments that an execution may come to.
const MAX_BYTES: u64 = 64 << 30;
/// How often the worker looks whether there is room again.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long it waits for room: whoever reads the lines only has to put the files away.
const MAX_STALL: Duration = Duration::from_secs(600);

/// Does what the request asks, and says each line by `say`, the last one included. The process around it has set the
/// request's bounds on itself.
///
/// # Errors
///
/// What `say` fails with for the last line.
pub fn execute_worker(
    request: &ExecuteRequest,
    mut say: impl FnMut(&ExecuteReply) -> io::Result<()> + Send,
) -> io::Result<()> {
    let last = match execute(request, &mut say) {
        Ok(finished) => finished,
        Err(error) => ExecuteReply::Refused { code: error.code(), message: error.report() },
    };
    say(&last)
}

fn execute(
    request: &ExecuteRequest,
    say: &mut (impl FnMut(&ExecuteReply) -> io::Result<()> + Send),
) -> Result<ExecuteReply, BackendError> {
    refuse_development_mode()?;
    let program = ProgramFiles { manifest: request.program.clone(), files: request.files.clone() };
    let guest = Guest::read(&program)?;
    let input = worker::read_input(&program, request.input)?;
    let input = GuestInput::read(&input)?;
    let mut written = 0_u64;
    let take = |cut: Cut| {
        let bytes = cut.bytes()?;
        written += bytes.len() as u64;
        if written > MAX_BYTES {
            return Err(GuestError::TooMuch(MAX_BYTES).into());
        }
        wait_for_room(&request.directory, request.ahead)?;
        let path = request.directory.join(format!("{:08}.segment", cut.index));
        put(&path, &bytes).map_err(GuestError::Write)?;
        let line = ExecuteReply::Segment { index: cut.index, path, po2: cut.po2, claim: cut.claim };
        Ok(say(&line).map_err(GuestError::Write)?)
    };
    let run = run(&guest, &input, request.segment_limit, request.bounds.cycles, &Control::new(), take)?;
    Ok(ExecuteReply::Finished { segments: run.segments, journal: run.journal.into() })
}

/// Whoever reads the lines never sees half a file.
fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("tmp");
    fs::write(&unfinished, bytes)?;
    fs::rename(&unfinished, path)
}

fn wait_for_room(directory: &Path, ahead: u32) -> Result<(), GuestError> {
    let since = Instant::now();
    loop {
        let left = fs::read_dir(directory).map_err(GuestError::Write)?.count();
        if left < ahead.max(1) as usize {
            return Ok(());
        }
        if since.elapsed() > MAX_STALL {
            return Err(GuestError::Stalled(MAX_STALL.as_secs()));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
