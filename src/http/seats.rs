//! Who may hold a connection: so many in all, and so many of one address, so that nobody takes all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::units::Cidr;

/// The seats of one server.
#[derive(Debug)]
pub(super) struct Seats {
    all: Arc<Semaphore>,
    /// `None`: as many as there are.
    per_address: Option<usize>,
    /// Proxies hold connections for everybody behind them.
    exempt: Vec<Cidr>,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// A seat that nobody has sat down on.
pub(super) struct Free(OwnedSemaphorePermit);

/// A seat that is taken until it is dropped.
pub(super) struct Seat {
    seats: Arc<Seats>,
    address: Option<IpAddr>,
    _permit: OwnedSemaphorePermit,
}

impl Seats {
    pub(super) fn new(all: usize, per_address: Option<usize>, exempt: Vec<Cidr>) -> Arc<Self> {
        Arc::new(Self { all: Arc::new(Semaphore::new(all)), per_address, exempt, taken: Mutex::default() })
    }

    /// Waits until one is free.
    pub(super) async fn free(&self) -> Free {
        match Arc::clone(&self.all).acquire_owned().await {
            Ok(permit) => Free(permit),
            // Nobody closes the semaphore.
            Err(_) => std::future::pending().await,
        }
    }

    pub(super) fn free_now(&self) -> Option<Free> {
        Arc::clone(&self.all).try_acquire_owned().ok().map(Free)
    }

    /// `None` where the address has as many as it may.
    pub(super) fn take(self: &Arc<Self>, free: Free, peer: IpAddr) -> Option<Seat> {
        let peer = peer.to_canonical();
        let address = match self.per_address {
            Some(most) if !self.exempt.iter().any(|range| range.contains(peer)) => {
                let address = customer(peer);
                let mut taken = self.taken();
                let count = taken.entry(address).or_default();
                if *count >= most {
                    return None;
                }
                *count += 1;
                Some(address)
            }
            _ => None,
        };
        Some(Seat { seats: Arc::clone(self), address, _permit: free.0 })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        if let Entry::Occupied(mut entry) = self.seats.taken().entry(address) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

/// One IPv6 customer has a /64 at least.
fn customer(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sit(seats: &Arc<Seats>, address: &str) -> Option<Seat> {
        seats.take(seats.free_now()?, address.parse().unwrap())
    }

    #[test]
    fn one_address_does_not_take_all() {
        let seats = Seats::new(10, Some(2), vec!["10.0.0.0/8".parse().unwrap()]);
        let first = sit(&seats, "192.0.2.1");
        let _second = sit(&seats, "::ffff:192.0.2.1");
        assert!(sit(&seats, "192.0.2.1").is_none());
        drop(first);
        assert!(sit(&seats, "192.0.2.1").is_some());
        let same: Vec<_> = (0..3).map(|n| sit(&seats, &format!("2001:db8::{n}"))).collect();
        assert!(same[1].is_some() && same[2].is_none());
        let proxy: Vec<_> = (0..7).map(|_| sit(&seats, "10.1.1.1")).collect();
        assert_eq!(proxy.iter().flatten().count(), 7, "all that are left");
        assert!(sit(&seats, "192.0.2.9").is_none());
        drop((proxy, same));
        assert_eq!(seats.taken().len(), 1, "who holds none is forgotten");
    }
}
