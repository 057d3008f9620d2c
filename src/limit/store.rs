//! Where the buckets are kept: a concurrent map that does not grow beyond a number of entries, whatever addresses are
//! made up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use governor::nanos::Nanos;
use governor::state::keyed::{DashMapStateStore, ShrinkableKeyedStateStore};
use governor::state::{InMemoryState, NotKeyed, StateStore};

use crate::units::Cidr;

/// Whose bucket it is. One IPv6 customer has a /64 at least, so that is what counts as an address there.
///
/// While the map is full, who has a bucket keeps it and newcomers share: those of an IPv4 /24 or an IPv6 /32 one
/// bucket, and once there are too many of these as well, everybody new a single one. So somebody with a /32 to make
/// addresses from shares with himself before he shares with anybody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Slot {
    V4(u32),
    V6(u64),
    Key(u64),
    /// The first 24 bits.
    V4Block(u32),
    /// The first 32 bits.
    V6Block(u32),
    Rest,
}

impl Slot {
    pub(super) fn address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.to_bits()),
            IpAddr::V6(v6) => Self::V6((v6.to_bits() >> 64) as u64),
        }
    }

    pub(super) fn key(hash: u64) -> Self {
        Self::Key(hash)
    }

    /// The addresses that share it; `None` where it is no address's.
    pub(super) fn block(self) -> Option<Cidr> {
        match self {
            Self::V4(bits) => Cidr::new(Ipv4Addr::from_bits(bits).into(), 32),
            Self::V6(bits) => Cidr::new(Ipv6Addr::from_bits(u128::from(bits) << 64).into(), 64),
            Self::Key(_) | Self::V4Block(_) | Self::V6Block(_) | Self::Rest => None,
        }
    }

    /// For other nodes.
    pub(super) fn name(self) -> String {
        match self {
            Self::V4(bits) => format!("4:{bits:x}"),
            Self::V6(bits) => format!("6:{bits:x}"),
            Self::Key(hash) => format!("k:{hash:x}"),
            Self::V4Block(bits) => format!("4b:{bits:x}"),
            Self::V6Block(bits) => format!("6b:{bits:x}"),
            Self::Rest => "rest".to_owned(),
        }
    }

    fn coarser(self) -> Self {
        match self {
            Self::V4(bits) => Self::V4Block(bits >> 8),
            Self::V6(bits) => Self::V6Block((bits >> 32) as u32),
            Self::Key(_) | Self::V4Block(_) | Self::V6Block(_) | Self::Rest => Self::Rest,
        }
    }
}

/// Clones are the same map.
#[derive(Debug, Clone)]
pub(super) struct Slots(Arc<Map>);

#[derive(Debug)]
struct Map {
    map: DashMapStateStore<Slot>,
    /// Counted here because the map has to lock each of its parts to tell.
    count: AtomicUsize,
    most: usize,
}

impl Slots {
    pub(super) fn new(most: usize) -> Self {
        Self(Arc::new(Map { map: DashMapStateStore::default(), count: AtomicUsize::new(0), most }))
    }

    /// The bucket will not be full before `full`, if it would have been.
    pub(super) fn advance(&self, slot: Slot, full: Nanos) {
        let later = |held: Option<Nanos>| match held {
            Some(held) if held >= full => Err(()),
            _ => Ok(((), full)),
        };
        // An error only says that nothing had to be done.
        let _ = self.measure_and_replace(&slot, later);
    }
}

impl Map {
    /// A tenth more room for the shared ones.
    fn has_room(&self, slot: Slot) -> bool {
        let count = self.count.load(Relaxed);
        match slot {
            Slot::V4(_) | Slot::V6(_) | Slot::Key(_) => count < self.most,
            Slot::V4Block(_) | Slot::V6Block(_) => count < self.most + self.most / 10,
            Slot::Rest => true,
        }
    }
}

impl StateStore for Slots {
    type Key = Slot;

    fn measure_and_replace<T, F, E>(&self, key: &Slot, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut slot = *key;
        loop {
            let Map { map, count, .. } = &*self.0;
            if let Some(state) = map.get(&slot) {
                return state.measure_and_replace(&NotKeyed::NonKey, f);
            }
            if self.0.has_room(slot) {
                let state = map.entry(slot).or_insert_with(|| {
                    count.fetch_add(1, Relaxed);
                    InMemoryState::default()
                });
                return state.measure_and_replace(&NotKeyed::NonKey, f);
            }
            slot = slot.coarser();
        }
    }
}

impl ShrinkableKeyedStateStore<Slot> for Slots {
    fn retain_recent(&self, drop_below: Nanos) {
        self.0.map.retain_recent(drop_below);
        self.0.count.store(self.0.map.len(), Relaxed);
    }

    fn shrink_to_fit(&self) {
        ShrinkableKeyedStateStore::shrink_to_fit(&self.0.map);
    }

    fn len(&self) -> usize {
        self.0.map.len()
    }

    fn is_empty(&self) -> bool {
        self.0.map.is_empty()
    }
}
