//! Pictures that expire by age.

use serde::Deserialize;

use crate::units::TimeOfDay;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cleanup {
    pub enable: bool,
    /// The age, in days, at which a picture without an expiry of its own is removed.
    pub expire_days: u32,
    /// When the daily clean-up runs, in local time.
    pub time: TimeOfDay,
}

impl Default for Cleanup {
    fn default() -> Self {
        let Some(time) = TimeOfDay::new(3, 0) else { unreachable!("03:00 is a time of the day") };
        Self { enable: false, expire_days: 30, time }
    }
}

impl Cleanup {
    pub fn validate(&self) -> Result<(), String> {
        if self.expire_days == 0 {
            return Err("`cleanup.expire_days`: 0 would remove every picture; give at least 1".to_owned());
        }
        Ok(())
    }
}
