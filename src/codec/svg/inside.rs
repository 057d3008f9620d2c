//! The other end: the process that holds nothing but one picture. It takes its limits upon itself before it reads a
//! byte of what may be hostile.

use std::io::{self, Read, Write};

use super::wire::{DONE, FAILED, Job, Task};
use super::{clean, draw};

/// Handles the one job on standard input. What goes wrong with the picture is an answer, not an error.
pub fn serve() -> io::Result<()> {
    let mut input = io::stdin().lock();
    let job = Job::read(&mut input)?;
    limit(&job)?;
    let mut text = Vec::new();
    text.try_reserve_exact(job.len as usize)?;
    input.take(u64::from(job.len)).read_to_end(&mut text)?;
    let made = match job.task {
        Task::Draw { region, target } => draw::draw(&text, region, target),
        Task::Clean => clean::clean(&text).map(String::into_bytes),
    };
    let (word, answer) = match made {
        Ok(answer) => (DONE, answer),
        Err(reason) => (FAILED, reason.into_bytes()),
    };
    let mut output = io::stdout().lock();
    output.write_all(&[word])?;
    output.write_all(&answer)?;
    output.flush()
}

/// No more memory and time than was reserved, no further file or socket, no process, no trace; and no life after the
/// server's.
fn limit(job: &Job) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let set = |resource, most: u64| setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    #[cfg(target_os = "linux")]
    {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
        rustix::thread::set_no_new_privs(true)?;
        // The program itself is mapped already; what it is given comes on top.
        set(Resource::As, mapped()?.saturating_add(job.memory))?;
    }
    let seconds = u64::from(job.seconds);
    // A second later it is killed, should it have a way to outlive the first signal.
    setrlimit(Resource::Cpu, Rlimit { current: Some(seconds), maximum: Some(seconds + 1) })?;
    set(Resource::Core, 0)?;
    set(Resource::Fsize, 0)?;
    set(Resource::Nproc, 0)?;
    set(Resource::Nofile, 0)?;
    Ok(())
}

/// Address space that is in use, in bytes.
#[cfg(target_os = "linux")]
fn mapped() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    Ok(kib.ok_or(io::ErrorKind::InvalidData)? * 1024)
}
