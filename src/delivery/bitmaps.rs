//! One decode for the widths of a srcset. Requests for variants of one original that arrive together agree on a decode
//! that is large enough for all; the first of them makes it, and it is kept for a while for those who come later.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::cache::{Key, Weighed};
use crate::codec::Header;
use crate::delivery::error::DeliveryError;
use crate::transform::mezzanine::{Mezzanine, Need};

/// The decoded pictures of one server. Shared by all requests.
pub(crate) struct Bitmaps {
    kept: Weighed<Key, Arc<Mezzanine>>,
    gatherings: Mutex<HashMap<Key, Gathering>>,
}

/// Those who want variants of one original now.
#[derive(Default)]
struct Gathering {
    needs: Vec<(u64, Need)>,
    next: u64,
    /// Set while one of them decodes for all.
    decode: Option<watch::Receiver<Outcome>>,
}

#[derive(Clone)]
enum Outcome {
    UnderWay,
    Done(Arc<Mezzanine>),
    /// Would fail for everybody.
    Failed(Arc<DeliveryError>),
    /// Given up: somebody else has to.
    Left,
}

/// One who wants a variant, until it is dropped.
pub(crate) struct Wish {
    bitmaps: Arc<Bitmaps>,
    original: Key,
    ticket: u64,
    need: Need,
}

/// What there is for a wish.
pub(crate) enum Way {
    Ready(Arc<Mezzanine>),
    /// Nobody decodes: the caller is to.
    Lead(Lead),
}

/// The duty to decode for all who wait. Dropped before [`Lead::publish`], the next of them has it.
pub(crate) struct Lead {
    bitmaps: Arc<Bitmaps>,
    original: Key,
    outcome: watch::Sender<Outcome>,
}

/// A picture that takes more of the cache than this would leave nothing of the others.
const LARGEST: f64 = 0.8;

impl Bitmaps {
    /// `capacity` in bytes of decoded pixels; 0 keeps nothing, and those who ask at once still share.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { kept: Weighed::new(capacity), gatherings: Mutex::default() }
    }

    /// `original` names the version of the original.
    pub(crate) fn wish(self: &Arc<Self>, original: Key, need: Need) -> Wish {
        let mut gatherings = self.lock();
        let gathering = gatherings.entry(original).or_default();
        let ticket = gathering.next;
        gathering.next += 1;
        gathering.needs.push((ticket, need));
        Wish { bitmaps: Arc::clone(self), original, ticket, need }
    }

    /// What is there already and large enough.
    pub(crate) fn kept(&self, original: &Key, header: &Header, need: Need) -> Option<Arc<Mezzanine>> {
        self.kept.get(original).filter(|kept| kept.covers(header, need))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Gathering>> {
        self.gatherings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wish {
    /// Waits for a decode that is under way; of all who find none, one is to lead.
    pub(crate) async fn way(&self, header: &Header) -> Result<Way, DeliveryError> {
        loop {
            let mut outcome = match self.look(header) {
                Ok(way) => return Ok(way),
                Err(outcome) => outcome,
            };
            let landed = outcome.wait_for(|outcome| !matches!(outcome, Outcome::UnderWay)).await;
            match landed.map(|outcome| outcome.clone()) {
                Ok(Outcome::Done(made)) if made.covers(header, self.need) => return Ok(Way::Ready(made)),
                Ok(Outcome::Failed(error)) => return Err(DeliveryError::Shared(error)),
                Ok(Outcome::Done(_) | Outcome::Left | Outcome::UnderWay) | Err(_) => {}
            }
        }
    }

    fn look(&self, header: &Header) -> Result<Way, watch::Receiver<Outcome>> {
        // Under the lock: what is published between the two looks would be seen by neither.
        let mut gatherings = self.bitmaps.lock();
        let kept = self.bitmaps.kept.get(&self.original).filter(|kept| kept.covers(header, self.need));
        if let Some(kept) = kept {
            return Ok(Way::Ready(kept));
        }
        let gathering = gatherings.entry(self.original).or_default();
        match &gathering.decode {
            Some(outcome) => Err(outcome.clone()),
            None => {
                let (outcome, told) = watch::channel(Outcome::UnderWay);
                gathering.decode = Some(told);
                Ok(Way::Lead(Lead { bitmaps: Arc::clone(&self.bitmaps), original: self.original, outcome }))
            }
        }
    }
}

impl Drop for Wish {
    fn drop(&mut self) {
        let mut gatherings = self.bitmaps.lock();
        if let Some(gathering) = gatherings.get_mut(&self.original) {
            gathering.needs.retain(|(ticket, _)| *ticket != self.ticket);
            if gathering.needs.is_empty() && gathering.decode.is_none() {
                gatherings.remove(&self.original);
            }
        }
    }
}

impl Lead {
    /// How many want a variant now, the leader among them.
    pub(crate) fn waiting(&self) -> usize {
        self.bitmaps.lock().get(&self.original).map_or(0, |gathering| gathering.needs.len())
    }

    /// What is enough for all who wait now, at least `own`.
    pub(crate) fn need(&self, own: Need) -> Need {
        let gatherings = self.bitmaps.lock();
        let others = gatherings.get(&self.original).map_or(&[][..], |gathering| &gathering.needs);
        others.iter().fold(own, |all, (_, need)| all.and(*need))
    }

    pub(crate) fn publish(self, made: &Arc<Mezzanine>) {
        let weight = made.weight();
        if weight as f64 <= self.bitmaps.kept.capacity() as f64 * LARGEST {
            self.bitmaps.kept.put(self.original, Arc::clone(made), weight);
        }
        self.end(Outcome::Done(Arc::clone(made)));
    }

    pub(crate) fn fail(self, error: &Arc<DeliveryError>) {
        self.end(Outcome::Failed(Arc::clone(error)));
    }

    /// Off the board first, so that who asks after this finds no decode that has ended.
    fn end(&self, outcome: Outcome) {
        let mut gatherings = self.bitmaps.lock();
        if let Some(gathering) = gatherings.get_mut(&self.original) {
            gathering.decode = None;
            if gathering.needs.is_empty() {
                gatherings.remove(&self.original);
            }
        }
        drop(gatherings);
        self.outcome.send_if_modified(|now| {
            let first = matches!(now, Outcome::UnderWay);
            if first {
                *now = outcome;
            }
            first
        });
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if matches!(*self.outcome.borrow(), Outcome::UnderWay) {
            self.end(Outcome::Left);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use futures_util::FutureExt as _;

    use super::*;
    use crate::cache::Identity;
    use crate::codec::{self, CodecError, Limits, Probe};
    use crate::transform::{Client, Plan, Presets, ResolveLimits, SourceFacts, Spec, resolve};

    const PHOTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/demo/demo.jpg");

    struct Photo {
        bytes: Vec<u8>,
        header: Header,
    }

    impl Photo {
        fn open() -> Self {
            let bytes = std::fs::read(PHOTO).unwrap();
            let probe = codec::probe(&bytes, bytes.len() as u64, &Limits::default()).unwrap();
            let Probe::Complete(header) = probe else { panic!("cut off") };
            Self { bytes, header }
        }

        fn need(&self, width: u32) -> Need {
            let spec = Spec::parse(&format!("w_{width},f_png"), &Presets::default()).unwrap();
            let facts = SourceFacts { header: self.header.clone(), focal: None };
            let plan: Plan = resolve(&spec, &facts, &Client::default(), &ResolveLimits::default()).unwrap();
            Need::of(&self.header, &plan).unwrap()
        }

        fn decode(&self, need: Need) -> Arc<Mezzanine> {
            let soon = Instant::now() + Duration::from_secs(60);
            Arc::new(Mezzanine::decode(&self.bytes, &self.header, need, soon).unwrap())
        }
    }

    fn original() -> Key {
        Key::source(&Identity::Content([1; 32]), 0)
    }

    async fn lead(wish: &Wish, header: &Header) -> Lead {
        match wish.way(header).await.unwrap() {
            Way::Lead(lead) => lead,
            Way::Ready(_) => panic!("nothing was decoded yet"),
        }
    }

    async fn ready(wish: &Wish, header: &Header) -> Arc<Mezzanine> {
        match wish.way(header).await.unwrap() {
            Way::Ready(made) => made,
            Way::Lead(_) => panic!("it was decoded already"),
        }
    }

    #[tokio::test]
    async fn one_decodes_for_all_who_wait_and_for_who_comes_later() {
        let photo = Photo::open();
        for (capacity, kept) in [(64 << 20, true), (0, false)] {
            let bitmaps = Arc::new(Bitmaps::new(capacity));
            let (small, large) = (photo.need(100), photo.need(800));
            let first = bitmaps.wish(original(), small);
            let lead = lead(&first, &photo.header).await;
            let second = bitmaps.wish(original(), large);
            assert_eq!((lead.waiting(), lead.need(small)), (2, small.and(large)));
            let mut waits = Box::pin(ready(&second, &photo.header));
            assert!(waits.as_mut().now_or_never().is_none());
            let made = photo.decode(lead.need(small));
            lead.publish(&made);
            assert!(Arc::ptr_eq(&waits.await, &made));
            drop((first, second));
            let later = bitmaps.wish(original(), small);
            assert_eq!(matches!(later.way(&photo.header).await, Ok(Way::Ready(_))), kept);
            drop(later);
            assert!(bitmaps.lock().is_empty());
        }
    }

    #[tokio::test]
    async fn what_is_too_small_is_decoded_again() {
        let photo = Photo::open();
        let bitmaps = Arc::new(Bitmaps::new(64 << 20));
        let (small, large) = (photo.need(60), photo.need(1000));
        let first = bitmaps.wish(original(), small);
        lead(&first, &photo.header).await.publish(&photo.decode(small));
        let second = bitmaps.wish(original(), large);
        lead(&second, &photo.header).await.publish(&photo.decode(large));
        assert!(ready(&first, &photo.header).await.covers(&photo.header, large));
    }

    #[tokio::test]
    async fn a_leader_that_leaves_is_followed_and_a_failure_is_shared() {
        let photo = Photo::open();
        let bitmaps = Arc::new(Bitmaps::new(0));
        let need = photo.need(100);
        let wishes: Vec<Wish> = (0..3).map(|_| bitmaps.wish(original(), need)).collect();
        let first = lead(&wishes[0], &photo.header).await;
        let mut second = Box::pin(lead(&wishes[1], &photo.header));
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        let second = second.await;
        let mut third = Box::pin(wishes[2].way(&photo.header));
        assert!(third.as_mut().now_or_never().is_none());
        second.fail(&Arc::new(CodecError::NotAnImage.into()));
        assert!(third.await.is_err_and(|error| error.is_lasting()));
    }
}
