//! Storages that users bring themselves.

use serde::Deserialize;

use super::storage::positive;
use crate::storage::Reach;
use crate::units::{Cidr, Span};

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UserStorages {
    /// How many each user may have; 0 = none.
    pub max_per_user: u32,
    /// The hosts that may be named, with a port where it is not the usual one; null = all, by the usual ports.
    pub hosts: Option<Vec<String>>,
    /// Addresses beside the public ones that may be connected to.
    pub allow_addresses: Vec<Cidr>,
    /// How long one attempt may take.
    pub timeout: Span,
}

impl Default for UserStorages {
    fn default() -> Self {
        let room = crate::library::OwnedConfig::default();
        Self {
            max_per_user: room.max_per_user,
            hosts: None,
            allow_addresses: Vec::new(),
            timeout: Span(room.timeout),
        }
    }
}

impl UserStorages {
    /// As the library takes it.
    pub fn to_room(&self) -> crate::library::OwnedConfig {
        let hosts = self.hosts.as_ref();
        crate::library::OwnedConfig {
            max_per_user: self.max_per_user,
            reach: Reach {
                hosts: hosts.map(|hosts| hosts.iter().filter_map(|host| host.parse().ok()).collect()),
                allow_addresses: self.allow_addresses.clone(),
            },
            timeout: self.timeout.0,
        }
    }

    pub fn validate(&self) -> Result<(), String> {
        for (index, host) in self.hosts.iter().flatten().enumerate() {
            let parsed: Result<crate::net::HostPattern, _> = host.parse();
            parsed.map_err(|error| format!("`user_storages.hosts[{index}]`: {error}"))?;
        }
        positive("user_storages", Some(self.timeout))
    }
}
