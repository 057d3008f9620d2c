//! What callers spend of their rates, added up over all nodes. Redis keeps for each bucket the time at which it will be
//! full again, as a node does for itself: one number, which goes when that time has come.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use redis::cmd;

use super::link::Link;
use super::{Cluster, ClusterError, Inner};
use crate::error::with_causes;

/// What was taken from one bucket, as the time in which it comes in again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// The same on all nodes.
    pub bucket: String,
    pub takes: Duration,
    /// No bucket is further from full than this.
    pub most: Duration,
}

/// Adds what was spent and says how far each bucket is from full, in microseconds. The clock is Redis's own, so those of
/// the nodes need not agree.
const SCRIPT: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local left = {}
for i, key in ipairs(KEYS) do
  local full = tonumber(redis.call('GET', key) or 0) or 0
  full = math.min(math.max(full, now) + tonumber(ARGV[2 * i - 1]), now + tonumber(ARGV[2 * i]))
  redis.call('SET', key, string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000) + 1)
  left[i] = full - now
end
return left";

/// Keys with the same one of so many tags lie on one node of a Redis Cluster, so that one script may use them.
const TAGS: u64 = 16;
/// Buckets in one script: Redis does nothing else while one runs, some milliseconds for so many.
const AT_ONCE: usize = 500;

impl Cluster {
    /// Adds what was spent here to what was spent elsewhere: how far each bucket is from full; nothing for one that
    /// could not be asked for. Waits for Redis, so not for requests.
    pub async fn spend(&self, spent: &[Spent]) -> Vec<Option<Duration>> {
        let mut answers = vec![None; spent.len()];
        let Some((inner, link)) = self.0.as_ref().and_then(|inner| Some((inner, inner.link()?))) else {
            return answers;
        };
        let mut by_tag: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (index, Spent { bucket, .. }) in spent.iter().enumerate() {
            let tag = if link.is_cluster() { tag(bucket) } else { 0 };
            by_tag.entry(tag).or_default().push(index);
        }
        let chunks: Vec<&[usize]> = by_tag.values().flat_map(|indices| indices.chunks(AT_ONCE)).collect();
        let asked = chunks.iter().map(|chunk| inner.add(&link, chunk.iter().map(|index| &spent[*index])));
        for (chunk, answer) in chunks.iter().zip(join_all(asked).await) {
            match answer {
                Ok(used) => {
                    for (index, micros) in chunk.iter().zip(used) {
                        answers[*index] = Some(Duration::from_micros(micros));
                    }
                }
                Err(error) if error.is_refusal() => inner.refused(&error),
                Err(_) => inner.broken.notify_one(),
            }
        }
        answers
    }
}

impl Inner {
    async fn add(&self, link: &Link, spent: impl Iterator<Item = &Spent>) -> Result<Vec<u64>, ClusterError> {
        let spent: Vec<&Spent> = spent.collect();
        let mut script = cmd("EVAL");
        script.arg(SCRIPT).arg(spent.len());
        for Spent { bucket, .. } in &spent {
            script.arg(format!("{}:{{limit{}}}:{bucket}", self.config.prefix, tag(bucket)));
        }
        for Spent { takes, most, .. } in &spent {
            script.arg(micros(*takes)).arg(micros(*most));
        }
        link.ask(&script, self.config.timeout).await
    }

    /// Once for each connection.
    pub(super) fn refused(&self, error: &ClusterError) {
        if !self.refusal_told.swap(true, Ordering::Relaxed) {
            let error = with_causes(error);
            tracing::warn!(
                error,
                "Redis refuses a command: limits may hold for each node alone, and purges may be seen late"
            );
        }
    }
}

fn tag(bucket: &str) -> u64 {
    // FNV-1a: the same in every version and on every machine.
    let hash = bucket.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash >> 32) % TAGS
}

/// Lua counts exactly up to 2^53, and the present is some 2^51 microseconds after 1970.
fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).map_or(MOST_MICROS, |micros| micros.min(MOST_MICROS))
}

const MOST_MICROS: u64 = 100 * 365 * 86_400 * 1_000_000;
