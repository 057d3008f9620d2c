//! The server's end: a process of this program per picture, with nothing but the job on its standard input. It is
//! killed and reaped when it takes too long, however far it is.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::wire::{DONE, FAILED, Job};
use super::{CodecError, broken};
use crate::codec::Format;

/// The argument that makes this program the other end; never typed by a person.
pub const COMMAND: &str = "svg-process";

/// CPU time for one picture; a drawing for a page takes milliseconds.
pub(super) const CPU_SECONDS: u32 = 5;

/// The same by the clock, for a machine with more to do.
const WALL: Duration = Duration::from_secs(8);

/// What the process says to `job` and the text, of `most` bytes at most.
pub(super) fn run(job: &Job, text: &[u8], most: usize, deadline: Instant) -> Result<Vec<u8>, CodecError> {
    super::check_deadline(deadline)?;
    let limit = Instant::now() + WALL;
    let mut child = Reaped(start()?);
    let (Some(mut input), Some(output)) = (child.0.stdin.take(), child.0.stdout.take()) else {
        return Err(failed("it has no pipes"));
    };
    let (sender, receiver) = mpsc::channel();
    let (answer, status) = std::thread::scope(|scope| {
        scope.spawn(move || {
            // Who has been killed reads no further, and the answer tells.
            let _ = input.write_all(&job.encode()).and_then(|()| input.write_all(text));
        });
        scope.spawn(move || {
            let mut answer = Vec::new();
            let read = output.take(most as u64 + 2).read_to_end(&mut answer);
            let _ = sender.send(read.map(|_| answer));
        });
        let answer = receiver.recv_timeout(deadline.min(limit).saturating_duration_since(Instant::now()));
        if answer.is_err() {
            let _ = child.0.kill();
        }
        (answer, child.0.wait())
    });
    let status = status.map_err(|error| failed(&error.to_string()))?;
    match answer {
        Err(_) if deadline < limit => Err(CodecError::TimedOut),
        Err(_) => Err(too_slow()),
        Ok(Err(error)) => Err(failed(&error.to_string())),
        Ok(Ok(answer)) => verdict(answer, most, status, job.memory),
    }
}

/// Leaves no process behind, whatever happens meanwhile.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn verdict(mut answer: Vec<u8>, most: usize, status: ExitStatus, memory: u64) -> Result<Vec<u8>, CodecError> {
    match answer.first() {
        Some(&DONE) if status.success() && answer.len() <= most + 1 => {
            answer.remove(0);
            Ok(answer)
        }
        Some(&FAILED) if status.success() => Err(broken(&String::from_utf8_lossy(&answer[1..]))),
        _ => Err(died(status, memory)),
    }
}

fn start() -> Result<Child, CodecError> {
    let mut command = Command::new(program()?);
    command
        .arg(COMMAND)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command.spawn().map_err(|error| failed(&error.to_string()))
}

/// This program, even where a newer one lies in its place by now.
#[cfg(target_os = "linux")]
fn program() -> Result<std::path::PathBuf, CodecError> {
    Ok("/proc/self/exe".into())
}

#[cfg(not(target_os = "linux"))]
fn program() -> Result<std::path::PathBuf, CodecError> {
    std::env::current_exe().map_err(|error| failed(&error.to_string()))
}

fn died(status: ExitStatus, memory: u64) -> CodecError {
    use std::os::unix::process::ExitStatusExt;
    match status.signal() {
        Some(libc::SIGXCPU | libc::SIGKILL) => too_slow(),
        Some(libc::SIGABRT) => broken(&format!("drawing it takes more than {} MiB of memory", memory >> 20)),
        Some(libc::SIGSEGV | libc::SIGBUS) => broken("it is nested too deeply"),
        _ => failed(&status.to_string()),
    }
}

fn too_slow() -> CodecError {
    broken(&format!("drawing it takes longer than {CPU_SECONDS} s"))
}

/// Not the picture's fault.
fn failed(reason: &str) -> CodecError {
    CodecError::Encode { format: Format::Svg, reason: format!("its process: {reason}") }
}
