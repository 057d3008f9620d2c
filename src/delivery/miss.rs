//! The way of a miss: wait for a worker, and only then read the original, render it and make the cache entry. Variants
//! of one original that are wanted together share the reading and the decoding.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::cache::{Commit, Entry, now_ms};
use crate::delivery::bitmaps::{Bitmaps, Lead, Way};
use crate::delivery::error::DeliveryError;
use crate::delivery::named;
use crate::delivery::origin::{Origin, Origins};
use crate::delivery::respond::Timing;
use crate::limit;
use crate::telemetry::metrics::{Metrics, Stage};
use crate::transform::cost::{self, Decoding};
use crate::transform::mezzanine::{Mezzanine, Need};
use crate::transform::plan::{Look, Plan};
use crate::transform::render::{self, Other, Rendered, render_from, render_with};
use crate::transform::until::{Before, Until};
use crate::workers::{Class, Estimate, Payer, Workers};

/// In seconds of decoding.
const WORTH_WAITING: f64 = 0.015;
/// As long as others came in the last of these, up to so many are waited.
const GATHERING: Duration = Duration::from_millis(4);
const ROUNDS: u32 = 4;

/// What one miss is about.
pub(crate) struct Order {
    pub(crate) origin: Origin,
    /// What is drawn on top.
    pub(crate) overlays: Vec<Origin>,
    pub(crate) plan: Plan,
    /// Told when it is made.
    pub(crate) timing: Arc<OnceLock<Timing>>,
    /// Who waits for it.
    pub(crate) class: Class,
    /// Whose turn it takes.
    pub(crate) payer: Payer,
}

/// An order that is being made.
struct Job {
    order: Order,
    commit: Commit,
    arrived: Instant,
}

impl Order {
    /// For somebody who waits for the result and not for how it was made.
    pub(crate) fn new(origin: Origin, overlays: Vec<Origin>, plan: Plan) -> Self {
        Self {
            origin,
            overlays,
            plan,
            timing: Arc::default(),
            class: Class::Interactive,
            payer: Payer::OURSELVES,
        }
    }

    /// What making the picture costs its caller, told from the headers.
    pub(crate) fn tokens(&self) -> u32 {
        limit::tokens(self.estimate(Decoding::Own).seconds)
    }

    /// Everything that is held at the peak, and the time that one worker will be busy.
    fn estimate(&self, decoding: Decoding) -> Estimate {
        let Self { origin, overlays, plan, .. } = self;
        if plan.output.original {
            let seconds = cost::seconds(&origin.header, plan, decoding);
            let memory = cost::memory(&origin.header, plan, decoding);
            return Estimate { seconds, memory: origin.held() + origin.len + memory };
        }
        let headers: Vec<_> = overlays.iter().map(|overlay| overlay.header.clone()).collect();
        let (bytes, seconds) = cost::overlays(plan, &headers);
        let held = overlays.iter().map(Origin::held).sum::<u64>();
        let own = if matches!(decoding, Decoding::Done(_)) { 0 } else { origin.held() };
        Estimate {
            seconds: seconds + cost::seconds(&origin.header, plan, decoding),
            memory: own + held + bytes + cost::memory(&origin.header, plan, decoding),
        }
    }
}

/// What a miss works with.
#[derive(Clone)]
pub(crate) struct Kitchen {
    pub(crate) origins: Arc<Origins>,
    pub(crate) workers: Workers,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) bitmaps: Arc<Bitmaps>,
}

impl Kitchen {
    /// Makes the variant. If everybody leaves, what waits is cancelled and what a worker does ends with its step;
    /// finished and stored once it is being encoded.
    pub(crate) async fn cook(self, order: Order, commit: Commit) -> Result<Entry, DeliveryError> {
        if let Some(entry) = self.kept(&order).await? {
            return Ok(entry);
        }
        let job = Job { order, commit, arrived: Instant::now() };
        let Order { origin, plan, .. } = &job.order;
        let Some(need) = Need::of(&origin.header, plan) else {
            // A part has a decode of its own, unless all of the picture is there.
            let original = origin.version.original();
            let part = Need::of_part(&origin.header, plan)
                .and_then(|need| Some((self.bitmaps.kept(&original, &origin.header, need)?, need)));
            return match part {
                Some((mezzanine, need)) => {
                    self.metrics.bitmap_cache(true);
                    self.from(mezzanine, need, job).await
                }
                None => self.alone(job).await,
            };
        };
        let wish = self.bitmaps.wish(origin.version.original(), need);
        let way = wish.way(&origin.header).await?;
        self.metrics.bitmap_cache(matches!(way, Way::Ready(_)));
        match way {
            Way::Ready(mezzanine) => self.from(mezzanine, need, job).await,
            Way::Lead(lead) => self.lead(lead, need, job).await,
        }
    }

    /// Looks at the pixels for what a spec wants to know of them.
    pub(crate) async fn look(
        self,
        origin: Origin,
        overlays: Vec<Origin>,
        look: Look,
        payer: Payer,
        commit: Commit,
    ) -> Result<Entry, DeliveryError> {
        let order = Order::new(origin, overlays, look.plan());
        let permit = self.workers.admit_for(Class::Interactive, payer, order.estimate(Decoding::Own)).await?;
        let bytes = self.origins.read(&order.origin).await?;
        let others = self.others(&order.overlays).await?;
        // Many variants have their place from it.
        let _ = commit.commit();
        self.metrics.decode(order.origin.header.format.name());
        let header = order.origin.header.clone();
        let seen =
            permit.run(move |deadline| render::look(&bytes, &header, &look, &others, deadline)).await??;
        Ok(Entry {
            body: named::bytes_of(seen),
            mime: Cow::Borrowed("application/octet-stream"),
            width: seen.width,
            height: seen.height,
            created_ms: now_ms(),
            modified_ms: order.origin.modified_ms.unwrap_or_else(now_ms),
            expires_ms: None,
            extra: Bytes::new(),
            file: None,
        })
    }

    /// The bytes of what is drawn on top.
    async fn others(&self, overlays: &[Origin]) -> Result<Vec<Other>, DeliveryError> {
        let mut others = Vec::with_capacity(overlays.len());
        for overlay in overlays {
            let bytes = self.origins.read(overlay).await?;
            others.push(Other { bytes, header: overlay.header.clone() });
        }
        Ok(others)
    }

    /// From the original to the result, for this variant alone.
    async fn alone(&self, job: Job) -> Result<Entry, DeliveryError> {
        let Order { origin, overlays, plan, .. } = &job.order;
        let permit =
            self.workers.admit_for(job.order.class, job.order.payer, job.order.estimate(Decoding::Own));
        let (permit, admitted) = (permit.await?, Instant::now());
        let bytes = self.origins.read(origin).await?;
        let others = self.others(overlays).await?;
        let fetched = Instant::now();
        let original = plan.output.original;
        if !original {
            self.metrics.decode(origin.header.format.name());
        }
        let (header, plan) = (origin.header.clone(), plan.clone());
        let commit = job.commit.clone();
        let work = move |deadline| {
            let waits = waits(&commit);
            render_with(&bytes, &header, &plan, &others, Until::new(deadline, &waits))
        };
        let rendered = permit.run(work).await??;
        // An original that could not be shown as it is was decoded all the same.
        let anew = original && !rendered.timings.decode.is_zero();
        if anew {
            self.metrics.decode(job.order.origin.header.format.name());
        }
        if anew || !original {
            self.metrics.encoded(encoded_name(&job.order.plan, &rendered));
        }
        Ok(self.entry(rendered, None, &job, admitted, Some(fetched)))
    }

    /// From the original, with a decode that serves all who want variants of it now.
    async fn lead(&self, lead: Lead, own: Need, job: Job) -> Result<Entry, DeliveryError> {
        let Order { origin, plan, .. } = &job.order;
        // The other widths of a page are asked for within a few milliseconds; where a decode takes far longer, waiting
        // for them is cheaper than decoding again.
        if cost::decode(&origin.header) >= WORTH_WAITING {
            let mut here = lead.waiting();
            for _ in 0..ROUNDS {
                tokio::time::sleep(GATHERING).await;
                let now = lead.waiting();
                if now <= here {
                    break;
                }
                here = now;
            }
        }
        let estimate = |need| job.order.estimate(Decoding::Common(need));
        let all = lead.need(own);
        // Others are a reason to take more memory, but not to be refused for it.
        let need = if estimate(all).memory <= self.workers.budget() / 2 { all } else { own };
        let permit = self.workers.admit_for(job.order.class, job.order.payer, estimate(need)).await?;
        let admitted = Instant::now();
        let bytes = self.origins.read(origin).await?;
        let fetched = Instant::now();
        self.metrics.decode(origin.header.format.name());
        let (header, plan, commit) = (origin.header.clone(), plan.clone(), job.commit.clone());
        let work = move |deadline| {
            let begun = Instant::now();
            let mezzanine = match Mezzanine::decode(&bytes, &header, need, deadline) {
                Ok(mezzanine) => Arc::new(mezzanine),
                Err(error) => {
                    let error = Arc::new(DeliveryError::from(error));
                    if error.is_lasting() {
                        lead.fail(&error);
                    }
                    return Err(DeliveryError::Shared(error));
                }
            };
            drop(bytes);
            let decode = begun.elapsed();
            // Whoever has left, others may wait for the pixels.
            lead.publish(&mezzanine);
            let waits = waits(&commit);
            let mut rendered = render_from(&mezzanine, &header, &plan, Until::new(deadline, &waits))?;
            rendered.timings.decode = decode;
            Ok((rendered, basis(&mezzanine, own)))
        };
        let (rendered, basis) = permit.run(work).await??;
        self.metrics.encoded(encoded_name(&job.order.plan, &rendered));
        Ok(self.entry(rendered, basis, &job, admitted, Some(fetched)))
    }

    /// From pixels that are there already.
    async fn from(&self, mezzanine: Arc<Mezzanine>, need: Need, job: Job) -> Result<Entry, DeliveryError> {
        let Order { origin, plan, .. } = &job.order;
        let estimate = job.order.estimate(Decoding::Done(mezzanine.weight() as u64));
        let permit = self.workers.admit_for(job.order.class, job.order.payer, estimate).await?;
        let admitted = Instant::now();
        let (header, plan, commit) = (origin.header.clone(), plan.clone(), job.commit.clone());
        let basis = basis(&mezzanine, need);
        let work = move |deadline| {
            let waits = waits(&commit);
            render_from(&mezzanine, &header, &plan, Until::new(deadline, &waits))
        };
        let rendered = permit.run(work).await??;
        self.metrics.encoded(encoded_name(&job.order.plan, &rendered));
        Ok(self.entry(rendered, basis, &job, admitted, None))
    }

    fn entry(
        &self,
        rendered: Rendered,
        basis: Option<Basis>,
        Job { order, arrived, .. }: &Job,
        admitted: Instant,
        fetched: Option<Instant>,
    ) -> Entry {
        let spent = Timing {
            queue: Some(admitted - *arrived),
            fetch: fetched.map(|fetched| fetched - admitted),
            decode: fetched.map(|_| rendered.timings.decode),
            transform: Some(rendered.timings.transform),
            encode: Some(rendered.timings.encode),
        };
        self.observe(&spent);
        let _ = order.timing.set(spent);
        Entry {
            body: Bytes::from(rendered.bytes),
            mime: Cow::Borrowed(order.plan.output.mime_of(rendered.format)),
            width: rendered.width,
            height: rendered.height,
            created_ms: now_ms(),
            modified_ms: order.origin.modified_ms.unwrap_or_else(now_ms),
            // What nobody may keep has expired when it is made.
            expires_ms: order.origin.version.is_passing().then_some(0),
            extra: basis.map_or(Bytes::new(), Basis::encode),
            file: None,
        }
    }

    fn observe(&self, timing: &Timing) {
        for (stage, spent) in [
            (Stage::Queue, timing.queue),
            (Stage::Fetch, timing.fetch),
            (Stage::Decode, timing.decode),
            (Stage::Transform, timing.transform),
            (Stage::Encode, timing.encode),
        ] {
            if let Some(spent) = spent {
                self.metrics.stage(stage, spent);
            }
        }
    }
}

/// What running work asks between its steps.
fn waits(commit: &Commit) -> impl Fn(Before) -> bool {
    |before| match before {
        Before::Step => commit.is_wanted(),
        Before::Encode => commit.commit(),
    }
}

/// What it has turned out to be, for metrics.
fn encoded_name(plan: &Plan, rendered: &Rendered) -> &'static str {
    if plan.output.rivals.is_empty() { plan.output.name() } else { rendered.format.name() }
}

/// The size of the common decode that a result was made from, where that is not what it alone would have been given.
/// Such results differ in the last bit here and there, so they have entity tags of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Basis {
    width: u32,
    height: u32,
}

fn basis(mezzanine: &Mezzanine, need: Need) -> Option<Basis> {
    let (width, height) = mezzanine.size();
    (!mezzanine.is_own(need)).then_some(Basis { width, height })
}

impl Basis {
    fn encode(self) -> Bytes {
        Bytes::from([self.width.to_le_bytes(), self.height.to_le_bytes()].concat())
    }

    pub(crate) fn of(entry: &Entry) -> Option<Self> {
        let (width, height) = entry.extra.split_first_chunk::<4>()?;
        let (height, _) = height.split_first_chunk::<4>()?;
        Some(Self { width: u32::from_le_bytes(*width), height: u32::from_le_bytes(*height) })
    }
}

/// As it is appended to the tag of the key.
impl std::fmt::Display for Basis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "-{}x{}", self.width, self.height)
    }
}
