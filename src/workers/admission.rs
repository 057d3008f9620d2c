//! Who may work, and when: two queues bounded in estimated time, a number of slots, and a budget of memory.
//!
//! A ticket is waiting or held. All decisions are taken under one lock that is never held across a wait; a grant is
//! recorded first and told afterwards, so a waiter that vanished meanwhile gives its ticket back like any other.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};

use super::config::Config;
use super::{Class, Estimate, WorkersError};
use crate::telemetry::metrics::Metrics;

pub(super) struct Admission {
    state: Mutex<State>,
    budget: u64,
    /// The longest expected wait that is not refused, in seconds.
    patience: f64,
    /// What one piece of work may take, in seconds.
    timeout: f64,
    empty: Notify,
    metrics: Arc<Metrics>,
}

/// How an arrival ended.
pub(super) enum Entrance {
    Granted(u64),
    Waiting(u64, oneshot::Receiver<()>),
}

/// Work that nobody waits for may queue longer.
const BACKGROUND_PATIENCE: f64 = 15.0;

/// Estimates may be wrong by half.
const CERTAIN: f64 = 1.5;
const LEAST_CORRECTION: f64 = 0.25;

/// How much one observation moves the correction of the estimates.
const LEARNING_RATE: f64 = 0.1;

impl Admission {
    pub(super) fn new(config: &Config, threads: usize, background: usize, metrics: Arc<Metrics>) -> Self {
        // More slots than threads, so that the next source is read while the workers are busy; not many more, because
        // each holds its source's bytes.
        let interactive = Lane::new(threads, threads + (threads / 2).max(1));
        let background = Lane::new(background, background);
        let state =
            State { interactive, background, budget: config.budget(), next_ticket: 0, draining: false };
        Self {
            state: Mutex::new(state),
            budget: config.budget(),
            patience: config.queue.0.as_secs_f64(),
            timeout: config.timeout.0.as_secs_f64(),
            empty: Notify::new(),
            metrics,
        }
    }

    pub(super) fn enter(
        &self,
        class: Class,
        estimate: Estimate,
        now: Instant,
    ) -> Result<Entrance, WorkersError> {
        if estimate.memory > self.budget {
            self.metrics.refused("memory");
            return Err(WorkersError::TooLarge { needed: estimate.memory, budget: self.budget });
        }
        let mut state = self.lock();
        // Not every encoder can be stopped half-way, so what cannot end in time does not begin.
        let seconds = estimate.seconds * state.lane(class).correction.max(LEAST_CORRECTION);
        if seconds > self.timeout * CERTAIN {
            self.metrics.refused("time");
            return Err(WorkersError::TooLong { seconds: seconds as u64, limit: self.timeout as u64 });
        }
        if state.draining {
            self.metrics.refused("stopping");
            return Err(WorkersError::Stopping);
        }
        let patience = match class {
            Class::Interactive => self.patience,
            Class::Background => self.patience * BACKGROUND_PATIENCE,
        };
        let wait = state.lane(class).expected_wait(now);
        if wait > patience {
            drop(state);
            self.metrics.refused("queue");
            let retry_after_s = ((wait - patience).ceil() as u64).max(1);
            return Err(WorkersError::Overloaded { retry_after_s });
        }
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        let (granted, told) = oneshot::channel();
        state.lane(class).waiting.push_back(Waiting { ticket, estimate, granted });
        let mut grants = state.grant(now);
        self.report(&state, now);
        drop(state);
        // Nobody who came before is granted by an arrival, so at most our own ticket is among them.
        let ours = grants.iter().position(|grant| grant.ticket == ticket).map(|at| grants.swap_remove(at));
        tell(grants);
        Ok(if ours.is_some() { Entrance::Granted(ticket) } else { Entrance::Waiting(ticket, told) })
    }

    /// Gives back a ticket, waiting or held. `ran` is how long its work took, if any was done.
    pub(super) fn release(&self, class: Class, ticket: u64, ran: Option<Duration>, now: Instant) {
        let mut state = self.lock();
        state.lane(class).release(ticket, ran, now);
        let grants = state.grant(now);
        self.report(&state, now);
        let empty = state.is_empty();
        drop(state);
        tell(grants);
        if empty {
            self.empty.notify_waiters();
        }
    }

    pub(super) fn budget(&self) -> u64 {
        self.budget
    }

    /// Admits nobody from now on and waits until nobody waits or works.
    pub(super) async fn drain(&self) {
        self.lock().draining = true;
        loop {
            let mut empty = std::pin::pin!(self.empty.notified());
            empty.as_mut().enable();
            if self.lock().is_empty() {
                return;
            }
            empty.await;
        }
    }

    /// Sends away who still waits.
    pub(super) fn dismiss(&self) {
        let mut state = self.lock();
        state.draining = true;
        let dismissed =
            [std::mem::take(&mut state.interactive.waiting), std::mem::take(&mut state.background.waiting)];
        drop(state);
        drop(dismissed);
    }

    fn report(&self, state: &State, now: Instant) {
        self.metrics.memory_reserved(state.reserved());
        self.metrics.queue_seconds(state.interactive.expected_wait(now));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn reserved(&self) -> u64 {
        self.lock().reserved()
    }

    #[cfg(test)]
    pub(super) fn waiting(&self, class: Class) -> usize {
        self.lock().lane(class).waiting.len()
    }

    #[cfg(test)]
    pub(super) fn correction(&self, class: Class) -> f64 {
        self.lock().lane(class).correction
    }
}

/// A waiter that is gone has already given its ticket back, or is about to.
fn tell(grants: Vec<Waiting>) {
    for grant in grants {
        let _ = grant.granted.send(());
    }
}

struct State {
    interactive: Lane,
    background: Lane,
    budget: u64,
    next_ticket: u64,
    draining: bool,
}

struct Lane {
    threads: usize,
    slots: usize,
    waiting: VecDeque<Waiting>,
    held: Vec<Held>,
    /// Real time over estimated time, learnt.
    correction: f64,
}

struct Waiting {
    ticket: u64,
    estimate: Estimate,
    granted: oneshot::Sender<()>,
}

struct Held {
    ticket: u64,
    estimate: Estimate,
    since: Instant,
}

impl State {
    fn lane(&mut self, class: Class) -> &mut Lane {
        match class {
            Class::Interactive => &mut self.interactive,
            Class::Background => &mut self.background,
        }
    }

    fn reserved(&self) -> u64 {
        self.interactive.memory() + self.background.memory()
    }

    fn is_empty(&self) -> bool {
        [&self.interactive, &self.background]
            .iter()
            .all(|lane| lane.waiting.is_empty() && lane.held.is_empty())
    }

    /// Hands out what is free. Strictly in order within a queue, or a large picture would wait for ever; and
    /// background work takes no memory that somebody waits for, and half of it at most unless it is alone.
    fn grant(&mut self, now: Instant) -> Vec<Waiting> {
        let mut grants = Vec::new();
        while self.interactive.has_slot()
            && let Some(first) = self.interactive.waiting.front()
            && self.reserved() + first.estimate.memory <= self.budget
        {
            grants.extend(self.interactive.grant_first(now));
        }
        let memory_is_wanted = self.interactive.has_slot() && !self.interactive.waiting.is_empty();
        while !memory_is_wanted
            && self.background.has_slot()
            && let Some(first) = self.background.waiting.front()
            && self.reserved() + first.estimate.memory <= self.budget
            && (self.background.held.is_empty()
                || self.background.memory() + first.estimate.memory <= self.budget / 2)
        {
            grants.extend(self.background.grant_first(now));
        }
        grants
    }
}

impl Lane {
    fn new(threads: usize, slots: usize) -> Self {
        Self { threads, slots, waiting: VecDeque::new(), held: Vec::new(), correction: 1.0 }
    }

    fn has_slot(&self) -> bool {
        self.held.len() < self.slots
    }

    fn memory(&self) -> u64 {
        self.held.iter().map(|held| held.estimate.memory).sum()
    }

    fn grant_first(&mut self, now: Instant) -> Option<Waiting> {
        let first = self.waiting.pop_front()?;
        self.held.push(Held { ticket: first.ticket, estimate: first.estimate, since: now });
        Some(first)
    }

    fn release(&mut self, ticket: u64, ran: Option<Duration>, now: Instant) {
        if let Some(at) = self.held.iter().position(|held| held.ticket == ticket) {
            let held = self.held.remove(at);
            if let Some(ran) = ran {
                self.learn(&held, ran, now);
            }
        } else if let Some(at) = self.waiting.iter().position(|waiting| waiting.ticket == ticket) {
            self.waiting.remove(at);
        }
    }

    /// A slow source blocks a slot as a slow encode blocks a thread; whichever is scarcer is the real cost.
    fn learn(&mut self, held: &Held, ran: Duration, now: Instant) {
        let blocked = (now - held.since).as_secs_f64() * self.threads as f64 / self.slots as f64;
        let ratio = ran.as_secs_f64().max(blocked) / held.estimate.seconds.max(1e-4);
        self.correction += LEARNING_RATE * (ratio.clamp(0.05, 20.0) - self.correction);
    }

    /// Seconds until a worker is free for one who arrives now.
    fn expected_wait(&self, now: Instant) -> f64 {
        let remaining = |held: &Held| {
            let spent = now.saturating_duration_since(held.since).as_secs_f64();
            (held.estimate.seconds * self.correction - spent).max(0.0)
        };
        // The oldest are on the threads, the others wait in a slot.
        let mut busy: Vec<f64> = self.held.iter().take(self.threads).map(remaining).collect();
        let ahead: f64 = self.held.iter().skip(self.threads).map(remaining).sum::<f64>()
            + self.waiting.iter().map(|w| w.estimate.seconds).sum::<f64>() * self.correction;
        busy.resize(self.threads, 0.0);
        water_level(busy, ahead)
    }
}

/// `ahead` seconds of work are poured onto threads that are busy for so long each: how high it stands then. Unlike sum
/// over number, one long job does not make the other threads look busy.
fn water_level(mut busy: Vec<f64>, mut ahead: f64) -> f64 {
    busy.sort_unstable_by(f64::total_cmp);
    let mut level = busy.first().copied().unwrap_or(0.0);
    for (below, next) in busy.iter().skip(1).enumerate() {
        let step = (next - level) * (below + 1) as f64;
        if step >= ahead {
            return level + ahead / (below + 1) as f64;
        }
        ahead -= step;
        level = *next;
    }
    level + ahead / busy.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_poured_onto_the_threads() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} is not {b}");
        close(water_level(vec![0.0, 0.0], 0.0), 0.0);
        close(water_level(vec![10.0, 0.0], 0.0), 0.0);
        close(water_level(vec![10.0, 0.03], 0.0), 0.03);
        close(water_level(vec![10.0, 1.0], 2.0), 3.0);
        close(water_level(vec![4.0, 1.0], 5.0), 5.0);
        close(water_level(vec![1.0, 2.0, 4.0], 1.5), 2.25);
        close(water_level(vec![2.0], 3.0), 5.0);
    }
}
