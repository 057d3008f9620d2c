//! The threads. Own ones and not tokio's blocking pool: that one is for files, grows to hundreds of threads and runs
//! at the priority of the server itself.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::Class;

pub(super) type Job = Box<dyn FnOnce() + Send>;

/// Two sets of threads, each with its queue. Dropping it ends them after the jobs they are at.
pub(super) struct Pool {
    interactive: Arc<Lane>,
    background: Arc<Lane>,
}

/// Hits and health checks come before any encode, and what nobody waits for comes last.
const NICE_INTERACTIVE: i32 = 10;
const NICE_BACKGROUND: i32 = 19;

/// Some codecs keep whole tables on the stack.
const STACK_BYTES: usize = 8 << 20;

impl Pool {
    pub(super) fn start(interactive: usize, background: usize) -> io::Result<Self> {
        let pool = Self { interactive: Arc::default(), background: Arc::default() };
        for number in 0..interactive {
            spawn(&pool.interactive, format!("pixedge-worker-{number}"), NICE_INTERACTIVE)?;
        }
        for number in 0..background {
            spawn(&pool.background, format!("pixedge-back-{number}"), NICE_BACKGROUND)?;
        }
        Ok(pool)
    }

    /// After `stop` the job is dropped, which its caller notices.
    pub(super) fn submit(&self, class: Class, job: Job) {
        let lane = match class {
            Class::Interactive => &self.interactive,
            Class::Background => &self.background,
        };
        let mut state = lane.lock();
        if state.stopped {
            drop(state);
            drop(job);
            return;
        }
        state.jobs.push_back(job);
        drop(state);
        lane.ready.notify_one();
    }

    pub(super) fn stop(&self) {
        for lane in [&self.interactive, &self.background] {
            let mut state = lane.lock();
            state.stopped = true;
            let left = std::mem::take(&mut state.jobs);
            drop(state);
            lane.ready.notify_all();
            // Outside the lock: a job that is dropped gives back its permit.
            drop(left);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.stop();
    }
}

#[derive(Default)]
struct Lane {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    stopped: bool,
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.stopped {
                return None;
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn spawn(lane: &Arc<Lane>, name: String, nice: i32) -> io::Result<()> {
    let lane = Arc::clone(lane);
    thread::Builder::new().name(name).stack_size(STACK_BYTES).spawn(move || {
        be_nice(nice);
        while let Some(job) = lane.next() {
            job();
        }
    })?;
    Ok(())
}

/// On Linux a priority belongs to a thread. Never better than the process was given.
fn be_nice(nice: i32) {
    let thread = rustix::thread::gettid();
    let current = rustix::process::getpriority_process(Some(thread)).unwrap_or(0);
    if let Err(error) = rustix::process::setpriority_process(Some(thread), nice.max(current)) {
        tracing::debug!(%error, "a worker keeps the priority of the server");
    }
}
