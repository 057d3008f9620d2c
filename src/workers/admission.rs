//! Who may work, and when: two queues bounded in estimated time, a number of slots, and a budget of memory.
//!
//! A ticket is waiting or held. All decisions are taken under one lock that is never held across a wait; a grant is
//! recorded first and told afterwards, so a waiter that vanished meanwhile gives its ticket back like any other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};

use super::config::Config;
use super::lane::{Lane, Waiting};
use super::{Class, Estimate, Payer, WorkersError};
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

/// How many times the patience all callers together may have queued.
const CROWD: f64 = 2.0;

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
        payer: Payer,
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
        // What one caller has queued is no reason to refuse others, but those who are in stay promised an end.
        let lane = state.lane(class);
        let wait = lane.wait_of(payer, now).max(lane.whole_wait(now) / CROWD);
        if wait > patience {
            drop(state);
            self.metrics.refused("queue");
            let retry_after_s = ((wait - patience).ceil() as u64).max(1);
            return Err(WorkersError::Overloaded { retry_after_s });
        }
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        let (granted, told) = oneshot::channel();
        state.lane(class).push(payer, ticket, estimate, granted);
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
        let dismissed = [state.interactive.take_waiting(), state.background.take_waiting()];
        drop(state);
        drop(dismissed);
    }

    fn report(&self, state: &State, now: Instant) {
        self.metrics.memory_reserved(state.reserved());
        self.metrics.queue_seconds(state.interactive.whole_wait(now));
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
        self.lock().lane(class).waiting()
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
        [&self.interactive, &self.background].iter().all(|lane| lane.is_empty())
    }

    /// Hands out what is free. Strictly in turn within a queue, or a large picture would wait for ever; and
    /// background work takes no memory that somebody waits for, and half of it at most unless it is alone.
    fn grant(&mut self, now: Instant) -> Vec<Waiting> {
        let mut grants = Vec::new();
        while self.interactive.has_slot()
            && let Some(first) = self.interactive.first()
            && self.reserved() + first.estimate.memory <= self.budget
        {
            grants.extend(self.interactive.grant_first(now));
        }
        let memory_is_wanted = self.interactive.has_slot() && self.interactive.first().is_some();
        while !memory_is_wanted
            && self.background.has_slot()
            && let Some(first) = self.background.first()
            && self.reserved() + first.estimate.memory <= self.budget
            && (self.background.held.is_empty()
                || self.background.memory() + first.estimate.memory <= self.budget / 2)
        {
            grants.extend(self.background.grant_first(now));
        }
        grants
    }
}
