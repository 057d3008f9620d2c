//! Which addresses are answered at all: the lists of the configuration, and those that administrators add while the
//! server runs.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::AdminError;
use crate::db::{Db, DbError, Row, Value};
use crate::units::{Cidr, CidrSet};

/// Shared by all listeners; clones know the same.
#[derive(Clone)]
pub struct Addresses {
    db: Db,
    configured: Arc<[(Verdict, Cidr)]>,
    gate: Arc<RwLock<Gate>>,
    /// Whether there is any entry at all: mostly there is none, and then nobody need find out who asks.
    is_used: Arc<AtomicBool>,
    /// The state of the table that the gate was made of.
    seen: Arc<AtomicU64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Allow,
    Deny,
}

/// An entry that was made while the server ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRule {
    pub verdict: Verdict,
    pub block: Cidr,
    /// Why, in the administrator's words.
    pub note: String,
    pub created_at: i64,
}

#[derive(Default)]
struct Gate {
    allow: CidrSet,
    deny: CidrSet,
}

impl Addresses {
    /// Reads the table once; [`Addresses::poll`] keeps up with it.
    pub async fn new(db: Db, allow: &[Cidr], deny: &[Cidr]) -> Result<Self, AdminError> {
        let allow = allow.iter().map(|block| (Verdict::Allow, *block));
        let configured = allow.chain(deny.iter().map(|block| (Verdict::Deny, *block))).collect();
        let addresses =
            Self { db, configured, gate: Arc::default(), is_used: Arc::default(), seen: Arc::default() };
        addresses.poll().await?;
        Ok(addresses)
    }

    /// Whether any address might be refused.
    pub fn is_used(&self) -> bool {
        self.is_used.load(Ordering::Relaxed)
    }

    /// Whether an address is answered. Who is denied stays so, whatever else says otherwise.
    pub fn admits(&self, address: IpAddr) -> bool {
        let gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        !gate.deny.contains(address) && (gate.allow.is_empty() || gate.allow.contains(address))
    }

    /// Learns what others changed; a running server calls this each second.
    pub async fn poll(&self) -> Result<(), AdminError> {
        let row = self.db.row("SELECT value FROM counters WHERE name = 'address_rules'", &[]).await?;
        let state = row.map_or(Ok(0), |row| row.narrow("value"))?;
        if self.seen.load(Ordering::Acquire) == state {
            return Ok(());
        }
        let added = self.rules().await?;
        let all = self.configured.iter().copied().chain(added.iter().map(|rule| (rule.verdict, rule.block)));
        let (allow, deny): (Vec<_>, Vec<_>) = all.partition(|(verdict, _)| *verdict == Verdict::Allow);
        let set = |rules: Vec<(Verdict, Cidr)>| rules.into_iter().map(|(_, block)| block).collect();
        let gate = Gate { allow: set(allow), deny: set(deny) };
        let is_used = !gate.allow.is_empty() || !gate.deny.is_empty();
        *self.gate.write().unwrap_or_else(PoisonError::into_inner) = gate;
        self.is_used.store(is_used, Ordering::Relaxed);
        self.seen.store(state, Ordering::Release);
        Ok(())
    }

    /// The entries beside those of the configuration, oldest first.
    pub async fn rules(&self) -> Result<Vec<AddressRule>, AdminError> {
        let sql = "SELECT verdict, block, note, created_at FROM address_rules ORDER BY pk";
        let rows = self.db.rows(sql, &[]).await?;
        Ok(rows.iter().map(rule).collect::<Result<_, _>>()?)
    }

    /// Adds an entry; the same again changes nothing. Holds here at once and elsewhere within a second.
    pub async fn add(&self, rule: &AddressRule) -> Result<(), AdminError> {
        let (verdict, block) = names(rule.verdict, rule.block);
        let mut tx = self.db.write().await?;
        raise(&mut tx).await?;
        // The counter is locked by now, so nobody adds the same in between.
        let known = "SELECT pk FROM address_rules WHERE verdict = ? AND block = ?";
        if tx.row(known, &[verdict.clone(), block.clone()]).await?.is_none() {
            let sql = "INSERT INTO address_rules (verdict, block, note, created_at) VALUES (?, ?, ?, ?)";
            let row = [verdict, block, rule.note.as_str().into(), rule.created_at.into()];
            tx.execute(sql, &row).await?;
        }
        tx.commit().await?;
        self.poll().await
    }

    /// Takes an entry away; `false` if there was none.
    pub async fn remove(&self, verdict: Verdict, block: Cidr) -> Result<bool, AdminError> {
        let (verdict, block) = names(verdict, block);
        let mut tx = self.db.write().await?;
        raise(&mut tx).await?;
        let sql = "DELETE FROM address_rules WHERE verdict = ? AND block = ?";
        let gone = tx.execute(sql, &[verdict, block]).await?;
        tx.commit().await?;
        self.poll().await?;
        Ok(gone > 0)
    }
}

async fn raise(tx: &mut crate::db::Tx) -> Result<(), DbError> {
    tx.tell_others();
    tx.execute("UPDATE counters SET value = value + 1 WHERE name = 'address_rules'", &[]).await.map(|_| ())
}

fn names(verdict: Verdict, block: Cidr) -> (Value, Value) {
    (verdict.as_str().into(), block.to_string().into())
}

fn rule(row: &Row) -> Result<AddressRule, DbError> {
    Ok(AddressRule {
        verdict: row.parse("verdict")?,
        block: row.parse("block")?,
        note: row.text("note")?,
        created_at: row.int("created_at")?,
    })
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

impl std::str::FromStr for Verdict {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "allow" => Ok(Self::Allow),
            "deny" => Ok(Self::Deny),
            _ => Err(format!("`{text}` is not `allow` or `deny`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    fn new(verdict: Verdict, text: &str) -> AddressRule {
        AddressRule { verdict, block: block(text), note: "why".to_owned(), created_at: 1 }
    }

    #[tokio::test]
    async fn lists_are_joined_and_followed_by_other_processes() {
        let dir = tempfile::tempdir().unwrap();
        let db = async || crate::db::testing::open(dir.path()).await;
        let here = Addresses::new(db().await, &[], &[block("192.0.2.0/24")]).await.unwrap();
        let there = Addresses::new(db().await, &[], &[]).await.unwrap();
        let admits = |addresses: &Addresses, text: &str| addresses.admits(text.parse().unwrap());
        assert!(admits(&here, "198.51.100.1") && !admits(&here, "192.0.2.9") && admits(&there, "192.0.2.9"));

        let banned = new(Verdict::Deny, "198.51.100.0/25");
        here.add(&banned).await.unwrap();
        here.add(&banned).await.unwrap();
        assert!(!admits(&here, "198.51.100.1") && admits(&there, "198.51.100.1"));
        there.poll().await.unwrap();
        assert!(!admits(&there, "198.51.100.1") && admits(&there, "198.51.100.200"));
        assert_eq!(there.rules().await.unwrap(), [banned]);

        there.add(&new(Verdict::Allow, "198.51.100.0/24")).await.unwrap();
        assert!(admits(&there, "198.51.100.200") && !admits(&there, "198.51.100.1"));
        assert!(!admits(&there, "203.0.113.1") && !admits(&there, "2001:db8::1"));
        for (verdict, text, was_there) in [
            (Verdict::Deny, "198.51.100.0/24", false),
            (Verdict::Deny, "198.51.100.0/25", true),
            (Verdict::Allow, "198.51.100.0/24", true),
        ] {
            assert_eq!(there.remove(verdict, block(text)).await.unwrap(), was_there, "{text}");
        }
        assert!(admits(&there, "203.0.113.1"));
        here.poll().await.unwrap();
        assert!(admits(&here, "198.51.100.1") && !admits(&here, "192.0.2.9"));
    }
}
