//! One queue and its slots: whose turn it is, and how long one who arrives now would wait.
//!
//! Turns are given by start-time fair queueing (Goyal, Vin, Cheng: Start-time Fair Queueing, SIGCOMM 1996): each caller's
//! work is stamped with the time at which it would begin if all who have work in the queue shared the workers evenly,
//! in estimated seconds. The smallest stamp is next, so whoever asks for a hundred pictures at once waits behind his own
//! and not everybody behind him; among those with one each it is first come, first served.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{Estimate, Payer};

pub(super) struct Lane {
    pub(super) threads: usize,
    pub(super) slots: usize,
    /// In the order of their turns.
    waiting: Vec<Waiting>,
    pub(super) held: Vec<Held>,
    /// Real time over estimated time, learnt.
    pub(super) correction: f64,
    /// The stamp of whose turn was last.
    clock: f64,
    /// Where the next stamp of a caller begins, of those who are ahead of the clock.
    finished: HashMap<Payer, f64>,
}

pub(super) struct Waiting {
    pub(super) ticket: u64,
    pub(super) estimate: Estimate,
    pub(super) granted: oneshot::Sender<()>,
    stamp: f64,
}

pub(super) struct Held {
    ticket: u64,
    estimate: Estimate,
    since: Instant,
}

/// How much one observation moves the correction of the estimates.
const LEARNING_RATE: f64 = 0.1;

/// Callers that the clock has caught up with are forgotten when there are so many.
const MOST_CALLERS: usize = 1024;

impl Lane {
    pub(super) fn new(threads: usize, slots: usize) -> Self {
        Self {
            threads,
            slots,
            waiting: Vec::new(),
            held: Vec::new(),
            correction: 1.0,
            clock: 0.0,
            finished: HashMap::new(),
        }
    }

    pub(super) fn has_slot(&self) -> bool {
        self.held.len() < self.slots
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.held.is_empty()
    }

    pub(super) fn memory(&self) -> u64 {
        self.held.iter().map(|held| held.estimate.memory).sum()
    }

    pub(super) fn first(&self) -> Option<&Waiting> {
        self.waiting.first()
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn take_waiting(&mut self) -> Vec<Waiting> {
        std::mem::take(&mut self.waiting)
    }

    pub(super) fn push(
        &mut self,
        payer: Payer,
        ticket: u64,
        estimate: Estimate,
        granted: oneshot::Sender<()>,
    ) {
        let stamp = self.stamp(payer);
        self.finished.insert(payer, stamp + estimate.seconds);
        // Behind those with the same stamp: they came first.
        let at = self.waiting.partition_point(|other| other.stamp <= stamp);
        self.waiting.insert(at, Waiting { ticket, estimate, granted, stamp });
        if self.finished.len() > MOST_CALLERS {
            let clock = self.clock;
            self.finished.retain(|_, finished| *finished > clock);
        }
    }

    pub(super) fn grant_first(&mut self, now: Instant) -> Option<Waiting> {
        if self.waiting.is_empty() {
            return None;
        }
        let first = self.waiting.remove(0);
        self.clock = self.clock.max(first.stamp);
        if self.waiting.is_empty() {
            // Nobody is ahead of anybody where nobody waits.
            self.finished.clear();
        }
        self.held.push(Held { ticket: first.ticket, estimate: first.estimate, since: now });
        Some(first)
    }

    pub(super) fn release(&mut self, ticket: u64, ran: Option<Duration>, now: Instant) {
        if let Some(at) = self.held.iter().position(|held| held.ticket == ticket) {
            let held = self.held.remove(at);
            if let Some(ran) = ran {
                self.learn(&held, ran, now);
            }
        } else if let Some(at) = self.waiting.iter().position(|waiting| waiting.ticket == ticket) {
            // The stamps of what he asked for later stay: a turn that was given up is not given back, or asking and
            // leaving would be a way to the front.
            self.waiting.remove(at);
        }
    }

    /// Seconds until a worker is free for this caller, if he arrives now.
    pub(super) fn wait_of(&self, payer: Payer, now: Instant) -> f64 {
        self.wait_before(self.stamp(payer), now)
    }

    /// Seconds until all that is here now has begun.
    pub(super) fn whole_wait(&self, now: Instant) -> f64 {
        self.wait_before(f64::INFINITY, now)
    }

    fn stamp(&self, payer: Payer) -> f64 {
        self.finished.get(&payer).map_or(self.clock, |finished| finished.max(self.clock))
    }

    fn wait_before(&self, stamp: f64, now: Instant) -> f64 {
        let remaining = |held: &Held| {
            let spent = now.saturating_duration_since(held.since).as_secs_f64();
            (held.estimate.seconds * self.correction - spent).max(0.0)
        };
        // The oldest are on the threads, the others wait in a slot.
        let mut busy: Vec<f64> = self.held.iter().take(self.threads).map(remaining).collect();
        let before = self.waiting.iter().take_while(|other| other.stamp <= stamp);
        let ahead: f64 = self.held.iter().skip(self.threads).map(remaining).sum::<f64>()
            + before.map(|other| other.estimate.seconds).sum::<f64>() * self.correction;
        busy.resize(self.threads, 0.0);
        water_level(busy, ahead)
    }

    /// A slow source blocks a slot as a slow encode blocks a thread; whichever is scarcer is the real cost.
    fn learn(&mut self, held: &Held, ran: Duration, now: Instant) {
        let blocked = (now - held.since).as_secs_f64() * self.threads as f64 / self.slots as f64;
        let ratio = ran.as_secs_f64().max(blocked) / held.estimate.seconds.max(1e-4);
        self.correction += LEARNING_RATE * (ratio.clamp(0.05, 20.0) - self.correction);
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

    struct Queue {
        lane: Lane,
        now: Instant,
        next: u64,
        owners: HashMap<u64, u64>,
    }

    impl Queue {
        fn new() -> Self {
            Self { lane: Lane::new(1, 1), now: Instant::now(), next: 0, owners: HashMap::new() }
        }

        fn ask(&mut self, payer: u64, seconds: f64) {
            let (granted, _) = oneshot::channel();
            let estimate = Estimate { seconds, memory: 1 };
            self.lane.push(Payer::of(payer), self.next, estimate, granted);
            self.owners.insert(self.next, payer);
            self.next += 1;
        }

        /// Whose turn it is; the work is done at once.
        fn turn(&mut self) -> Option<u64> {
            let ticket = self.lane.grant_first(self.now)?.ticket;
            self.lane.release(ticket, None, self.now);
            Some(self.owners[&ticket])
        }
    }

    #[test]
    fn who_asks_for_much_waits_behind_his_own_and_not_others_behind_him() {
        let mut queue = Queue::new();
        for _ in 0..100 {
            queue.ask(1, 1.0);
        }
        assert_eq!([queue.turn(), queue.turn()], [Some(1); 2]);
        queue.ask(2, 1.0);
        queue.ask(2, 1.0);
        queue.ask(3, 0.1);
        let turns: Vec<u64> = std::iter::from_fn(|| queue.turn()).take(5).collect();
        assert!(turns[..3].contains(&2) && turns[..3].contains(&3), "{turns:?}");
        assert_eq!(turns.iter().filter(|turn| **turn == 2).count(), 2, "{turns:?}");
    }

    #[test]
    fn turns_are_shared_by_time_and_not_by_number() {
        let mut queue = Queue::new();
        for _ in 0..200 {
            queue.ask(1, 0.1);
            queue.ask(2, 1.0);
        }
        let (mut small, mut large) = (0.0, 0.0);
        while small + large < 20.0 {
            match queue.turn() {
                Some(1) => small += 0.1,
                _ => large += 1.0,
            }
        }
        assert!((8.5..=11.5).contains(&small), "{small} to {large}");
    }

    #[test]
    fn those_with_one_each_come_in_their_order_and_nobody_saves_turns_up() {
        let mut queue = Queue::new();
        for payer in 1..=5 {
            queue.ask(payer, 1.0);
        }
        assert_eq!(std::iter::from_fn(|| queue.turn()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        // Who was away for long begins where the others are.
        for _ in 0..50 {
            queue.ask(1, 1.0);
            queue.turn();
        }
        for payer in [1, 9, 1, 9, 1, 9] {
            queue.ask(payer, 1.0);
        }
        let turns: Vec<u64> = std::iter::from_fn(|| queue.turn()).collect();
        assert!(!turns.windows(3).any(|three| three == [9, 9, 9]), "{turns:?}");
    }

    #[test]
    fn a_wait_is_that_of_the_caller() {
        let mut queue = Queue::new();
        for _ in 0..10 {
            queue.ask(1, 1.0);
        }
        let (lane, now) = (&queue.lane, queue.now);
        assert!((lane.wait_of(Payer::of(1), now) - 10.0).abs() < 1e-9);
        assert!(lane.wait_of(Payer::of(2), now) < 1.5);
        assert!((lane.whole_wait(now) - 10.0).abs() < 1e-9);
    }

    #[test]
    fn callers_are_forgotten_when_the_clock_has_caught_up() {
        let mut queue = Queue::new();
        for payer in 0..10_000 {
            queue.ask(payer, 0.001);
            queue.turn();
        }
        assert!(queue.lane.finished.len() <= MOST_CALLERS + 1, "{}", queue.lane.finished.len());
    }
}
