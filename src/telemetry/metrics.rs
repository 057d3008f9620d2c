//! What the server counts. The names and labels are read by scripts, proofs and dashboards, so they are part of the
//! public contract; every label value comes from a closed or configured set, never from a request.

use std::fmt::Write;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::process::Process;

/// Every metric of the server. Built once, shared as `Arc<Metrics>`.
pub struct Metrics {
    registry: Registry,
    /// What looks at its own state before it is written.
    before: Mutex<Vec<Before>>,
    source_errors: Family<SourceError, Counter>,
    cache_memory_bytes: Gauge,
    requests: Family<RouteStatus, Counter>,
    cache: [Counter; CacheTier::ALL.len()],
    cache_skipped: Family<Reason, Counter>,
    cache_disk_up: Gauge,
    source_reads: Family<SourceName, Counter>,
    decodes: Family<FormatName, Counter>,
    encodes: Family<FormatName, Counter>,
    bitmap_cache: [Counter; 2],
    originals: [Counter; 2],
    refused: Family<Reason, Counter>,
    panics: Counter,
    stages: Family<StageName, Histogram, StageBuckets>,
    memory_budget_bytes: Gauge,
    memory_reserved_bytes: Gauge,
    queue_seconds: Gauge<f64, AtomicU64>,
    jobs: Family<JobState, Counter>,
    jobs_queued: Family<JobState, Gauge>,
    cluster_up: Family<Means, Gauge>,
    cluster_messages: Family<Direction, Counter>,
}

type Before = Box<dyn Fn(&Metrics) + Send + Sync>;

/// Where an answer came from: label `tier` of `pixedge_cache_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheTier {
    Memory,
    Disk,
    /// Expired, but allowed to be served while it is refreshed.
    Stale,
    /// Waited for the same work of another request.
    Collapsed,
    Miss,
}

/// What a request spends its time on: label `stage` of `pixedge_stage_seconds`, and the words of `Server-Timing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    Queue,
    Fetch,
    Decode,
    Transform,
    Encode,
}

impl CacheTier {
    const ALL: [Self; 5] = [Self::Memory, Self::Disk, Self::Stale, Self::Collapsed, Self::Miss];

    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Stale => "stale",
            Self::Collapsed => "collapsed",
            Self::Miss => "miss",
        }
    }
}

impl Stage {
    pub fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Fetch => "fetch",
            Self::Decode => "decode",
            Self::Transform => "transform",
            Self::Encode => "encode",
        }
    }
}

impl Metrics {
    /// What `encode` writes, for the `Content-Type` of `/metrics`.
    pub const CONTENT_TYPE: &'static str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    pub fn new() -> Self {
        let mut root = Registry::default();
        root.register_collector(Box::new(Process));
        let registry = root.sub_registry_with_prefix("pixedge");
        let requests = Family::default();
        registry.register("requests", "Answered requests by route and status", requests.clone());
        let tiers = Family::<Tier, Counter>::default();
        registry.register("cache", "Picture requests by where the answer came from", tiers.clone());
        let cache = CacheTier::ALL.map(|tier| tiers.get_or_create(&Tier { tier: tier.name() }).clone());
        let cache_skipped = Family::default();
        registry.register(
            "cache_skipped",
            "Results that did not reach the disk cache",
            cache_skipped.clone(),
        );
        let cache_disk_up = Gauge::default();
        registry.register("cache_disk_up", "1 while the disk cache takes writes", cache_disk_up.clone());
        let source_reads = Family::default();
        registry.register("source_reads", "Originals read, by source", source_reads.clone());
        let decodes = Family::default();
        registry.register("decodes", "Pictures decoded, by format", decodes.clone());
        let encodes = Family::default();
        registry.register("encodes", "Pictures encoded, by format", encodes.clone());
        let bitmaps = Family::<Hit, Counter>::default();
        registry.register("bitmap_cache", "Look-ups in the cache of decoded pictures", bitmaps.clone());
        let bitmap_cache = ["false", "true"].map(|hit| bitmaps.get_or_create(&Hit { hit }).clone());
        let originals = Family::<Hit, Counter>::default();
        registry.register("originals", "Look-ups among the kept originals of sources", originals.clone());
        let originals = ["false", "true"].map(|hit| originals.get_or_create(&Hit { hit }).clone());
        let refused = Family::default();
        registry.register("refused", "Requests refused to protect the server, by reason", refused.clone());
        let panics = Counter::default();
        registry.register(
            "panics",
            "Requests whose handler panicked and that were answered 500",
            panics.clone(),
        );
        let stages = Family::new_with_constructor(StageBuckets);
        registry.register("stage_seconds", "Time spent in each stage of a picture request", stages.clone());
        let memory_budget_bytes = Gauge::default();
        registry.register(
            "memory_budget_bytes",
            "Memory that picture work may reserve at once",
            memory_budget_bytes.clone(),
        );
        let memory_reserved_bytes = Gauge::default();
        registry.register(
            "memory_reserved_bytes",
            "Memory that picture work has reserved now",
            memory_reserved_bytes.clone(),
        );
        let queue_seconds = Gauge::default();
        registry.register(
            "queue_seconds",
            "Estimated time until a worker is free for a new request",
            queue_seconds.clone(),
        );
        let jobs = Family::default();
        registry.register("jobs", "Attempts at jobs by kind and how they ended", jobs.clone());
        let jobs_queued = Family::default();
        registry.register(
            "jobs_queued",
            "Jobs that wait, are in work or failed for good, by kind",
            jobs_queued.clone(),
        );
        let source_errors = Family::default();
        registry.register(
            "source_errors",
            "Failed questions to sources, by source and what went wrong",
            source_errors.clone(),
        );
        let cache_memory_bytes = Gauge::default();
        registry.register("cache_memory_bytes", "Results in memory", cache_memory_bytes.clone());
        let build = Family::<Version, Gauge>::default();
        build.get_or_create(&Version { version: env!("CARGO_PKG_VERSION") }).set(1);
        registry.register("build_info", "Which version runs", build);
        // Without Redis neither is there, so that an alarm on 0 is not one for a single node.
        let cluster_up = Family::default();
        registry.register("cluster_up", "1 while Redis answers", cluster_up.clone());
        let cluster_messages = Family::default();
        registry.register(
            "cluster_messages",
            "Messages to and from other nodes, by direction",
            cluster_messages.clone(),
        );
        Self {
            registry: root,
            before: Mutex::default(),
            source_errors,
            cache_memory_bytes,
            requests,
            cache,
            cache_skipped,
            cache_disk_up,
            source_reads,
            decodes,
            encodes,
            bitmap_cache,
            originals,
            refused,
            panics,
            stages,
            memory_budget_bytes,
            memory_reserved_bytes,
            queue_seconds,
            jobs,
            jobs_queued,
            cluster_up,
            cluster_messages,
        }
    }

    /// Calls this before each exposition, for what is cheaper to look at than to count.
    pub fn before_encode(&self, look: impl Fn(&Self) + Send + Sync + 'static) {
        self.before.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(look));
    }

    /// Everything in OpenMetrics text.
    pub fn encode(&self) -> String {
        for look in &*self.before.lock().unwrap_or_else(PoisonError::into_inner) {
            look(self);
        }
        let mut out = String::with_capacity(8 * 1024);
        if text::encode(&mut out, &self.registry).is_err() {
            // Writing into a String cannot fail; a half-written exposition must not look like a whole one.
            out.clear();
        }
        out
    }

    /// `route` is the pattern of the route table, not the path that was asked for.
    pub fn request(&self, route: &'static str, status: u16) {
        self.requests.get_or_create(&RouteStatus { route, status }).inc();
    }

    pub fn cache(&self, tier: CacheTier) {
        self.cache[tier as usize].inc();
    }

    /// A result that was served but not kept on disk, and why.
    pub fn cache_skipped(&self, reason: &'static str) {
        self.cache_skipped.get_or_create(&Reason { reason }).inc();
    }

    pub fn cache_disk_up(&self, up: bool) {
        self.cache_disk_up.set(i64::from(up));
    }

    /// `source` is the name from the configuration.
    pub fn source_read(&self, source: &str) {
        self.source_reads.get_or_create(&SourceName { source: source.to_owned() }).inc();
    }

    /// `error` is the stable word for what went wrong.
    pub fn source_error(&self, source: &str, error: &'static str) {
        self.source_errors.get_or_create(&SourceError { source: source.to_owned(), error }).inc();
    }

    pub fn cache_memory(&self, bytes: usize) {
        self.cache_memory_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    pub fn decode(&self, format: &'static str) {
        self.decodes.get_or_create(&FormatName { format }).inc();
    }

    /// Named after the metric, beside [`Self::decode`]; the exposition is [`Self::encode`].
    pub fn encoded(&self, format: &'static str) {
        self.encodes.get_or_create(&FormatName { format }).inc();
    }

    pub fn bitmap_cache(&self, hit: bool) {
        self.bitmap_cache[usize::from(hit)].inc();
    }

    /// An original of a source over a network was looked for among those that are kept.
    pub fn original(&self, hit: bool) {
        self.originals[usize::from(hit)].inc();
    }

    /// A request that was refused to protect the server.
    pub fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&Reason { reason }).inc();
    }

    /// A handler that panicked: a bug.
    pub fn panic(&self) {
        self.panics.inc();
    }

    pub fn stage(&self, stage: Stage, spent: Duration) {
        self.stages.get_or_create(&StageName { stage }).observe(spent.as_secs_f64());
    }

    pub fn memory_budget(&self, bytes: u64) {
        self.memory_budget_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    pub fn memory_reserved(&self, bytes: u64) {
        self.memory_reserved_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    pub fn queue_seconds(&self, seconds: f64) {
        self.queue_seconds.set(seconds);
    }

    pub fn job(&self, kind: &'static str, state: &'static str) {
        self.jobs.get_or_create(&JobState { kind, state }).inc();
    }

    /// How many jobs of a kind are in a state now.
    pub fn jobs_in(&self, kind: &'static str, state: &'static str, count: u64) {
        let gauge = self.jobs_queued.get_or_create(&JobState { kind, state });
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Whether Redis answers; never called where none is configured.
    pub fn cluster_up(&self, up: bool) {
        self.cluster_up.get_or_create(&Means { by: "redis" }).set(i64::from(up));
    }

    /// `sent` or `received`.
    pub fn cluster_message(&self, direction: &'static str) {
        self.cluster_messages.get_or_create(&Direction { direction }).inc();
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// By what nodes reach each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Means {
    by: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Direction {
    direction: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteStatus {
    route: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tier {
    tier: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceName {
    source: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceError {
    source: String,
    error: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Version {
    version: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FormatName {
    format: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Hit {
    hit: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageName {
    stage: Stage,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobState {
    kind: &'static str,
    state: &'static str,
}

impl EncodeLabelValue for Stage {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.write_str(self.name())
    }
}

/// 0.5 ms … 16 s, doubling: a cached original's fetch at the low end, a large AVIF at the high one.
#[derive(Debug, Clone)]
struct StageBuckets;

impl MetricConstructor<Histogram> for StageBuckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new((0..16).map(|power| 0.0005 * f64::from(1 << power)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A dashboard that reads a name which nobody writes shows an empty graph, and nobody notices.
    #[test]
    fn dashboard_and_alerts_read_metrics_that_there_are() {
        let metrics = Metrics::new();
        metrics.request("i", 200);
        metrics.cache_skipped("full");
        metrics.source_read("photos");
        metrics.source_error("photos", "source_timeout");
        metrics.decode("jpeg");
        metrics.encoded("avif");
        metrics.refused("queue");
        metrics.stage(Stage::Decode, Duration::from_millis(3));
        metrics.job("cleanup", "done");
        metrics.jobs_in("cleanup", "failed", 1);
        let exposition = metrics.encode();
        let known: BTreeSet<&str> =
            exposition.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
        let files = [
            include_str!("../../deploy/grafana/pixedge.json"),
            include_str!("../../deploy/prometheus/pixedge.yml"),
        ];
        let mut read = 0;
        for file in files {
            let words = file.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            for word in words.filter(|word| word.starts_with("pixedge_") || word.starts_with("process_")) {
                assert!(known.contains(word), "{word} is not among {known:?}");
                read += 1;
            }
        }
        assert!(read > 30, "{read}");
    }

    #[test]
    fn speaks_the_names_that_dashboards_read() {
        let metrics = Metrics::new();
        metrics.request("/i/{id}/{spec}", 200);
        metrics.cache(CacheTier::Collapsed);
        metrics.cache_skipped("too_large");
        metrics.cache_disk_up(true);
        metrics.source_read("samples");
        metrics.decode("jpeg");
        metrics.encoded("avif");
        metrics.bitmap_cache(true);
        metrics.original(false);
        metrics.source_error("photos", "source_timeout");
        metrics.before_encode(|metrics| metrics.cache_memory(77));
        metrics.refused("queue");
        metrics.panic();
        metrics.stage(Stage::Decode, Duration::from_millis(3));
        metrics.memory_budget(1 << 30);
        metrics.queue_seconds(0.25);
        metrics.job("cleanup", "done");
        let text = metrics.encode();
        for line in [
            "pixedge_requests_total{route=\"/i/{id}/{spec}\",status=\"200\"} 1",
            "pixedge_cache_total{tier=\"memory\"} 0",
            "pixedge_cache_total{tier=\"disk\"} 0",
            "pixedge_cache_total{tier=\"stale\"} 0",
            "pixedge_cache_total{tier=\"collapsed\"} 1",
            "pixedge_cache_total{tier=\"miss\"} 0",
            "pixedge_cache_skipped_total{reason=\"too_large\"} 1",
            "pixedge_cache_disk_up 1",
            "pixedge_source_reads_total{source=\"samples\"} 1",
            "pixedge_decodes_total{format=\"jpeg\"} 1",
            "pixedge_encodes_total{format=\"avif\"} 1",
            "pixedge_bitmap_cache_total{hit=\"true\"} 1",
            "pixedge_bitmap_cache_total{hit=\"false\"} 0",
            "pixedge_originals_total{hit=\"false\"} 1",
            "pixedge_source_errors_total{source=\"photos\",error=\"source_timeout\"} 1",
            "pixedge_cache_memory_bytes 77",
            concat!("pixedge_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "pixedge_refused_total{reason=\"queue\"} 1",
            "pixedge_panics_total 1",
            "pixedge_stage_seconds_bucket{le=\"0.004\",stage=\"decode\"} 1",
            "pixedge_stage_seconds_count{stage=\"decode\"} 1",
            "pixedge_memory_budget_bytes 1073741824",
            "pixedge_queue_seconds 0.25",
            "pixedge_jobs_total{kind=\"cleanup\",state=\"done\"} 1",
        ] {
            assert!(text.lines().any(|have| have == line), "{line} is missing in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
