//! What happens regularly. When it happens next stands in the database, and whoever moves that on makes the job: so it
//! happens once, however many processes look, and what was missed while none ran is caught up by the first.

use std::time::Duration;

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde_json::json;

use crate::db::queue::{self, JobId, NewJob};
use crate::db::{Db, DbError};
use crate::units::TimeOfDay;

/// Something regular: a job of a kind, with an empty payload.
#[derive(Debug, Clone)]
pub struct Plan {
    pub kind: &'static str,
    pub when: When,
    pub max_attempts: u32,
}

#[derive(Debug, Clone)]
pub enum When {
    /// At this time of the day in this zone.
    Daily(TimeOfDay, TimeZone),
    Every(Duration),
}

impl Plan {
    /// Makes the job if it is due. Returns when to look again.
    pub(super) async fn tick(&self, db: &Db, now: i64) -> Result<i64, DbError> {
        let next = self.when.next(now);
        let due = queue::scheduled(db, self.kind, next).await?;
        if due > now {
            let other = match self.when {
                // The time of the day was changed, or the zone.
                When::Daily(..) => due != next,
                When::Every(_) => due > next,
            };
            if other {
                let mut tx = db.write().await?;
                if queue::move_on(&mut tx, self.kind, due, next).await? {
                    tx.commit().await?;
                }
                return Ok(next);
            }
            return Ok(due);
        }
        self.begin(db, (due, next), now).await?;
        Ok(next)
    }

    /// Makes the job if it is due, for a timer outside; `None` = it is not, or somebody else has made it.
    pub async fn begin_if_due(&self, db: &Db, now: i64) -> Result<Option<JobId>, DbError> {
        let next = self.when.next(now);
        match queue::scheduled(db, self.kind, next).await? {
            due if due <= now => self.begin(db, (due, next), now).await,
            _ => Ok(None),
        }
    }

    async fn begin(&self, db: &Db, (due, next): (i64, i64), now: i64) -> Result<Option<JobId>, DbError> {
        let mut tx = db.write().await?;
        if !queue::move_on(&mut tx, self.kind, due, next).await? {
            return Ok(None);
        }
        let job = NewJob {
            kind: self.kind,
            payload: json!({}),
            owner: None,
            unique: Some(format!("plan {}", self.kind)),
            run_at: now,
            max_attempts: self.max_attempts,
        };
        let id = queue::enqueue(&mut tx, &job).await?;
        tx.commit().await?;
        Ok(Some(id))
    }
}

impl When {
    /// The first time after `now`, both in milliseconds since 1970.
    pub(super) fn next(&self, now: i64) -> i64 {
        match self {
            Self::Every(span) => now.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)),
            // Where the calendar ends, a day is 24 hours.
            Self::Daily(time, zone) => next_daily(*time, zone, now).unwrap_or(now + 86_400_000),
        }
    }
}

/// A time of the day that does not exist on the day the clocks go forward is taken to be as much later.
fn next_daily(time: TimeOfDay, zone: &TimeZone, now: i64) -> Result<i64, jiff::Error> {
    let local = Timestamp::from_millisecond(now)?.to_zoned(zone.clone());
    let mut date = local.date();
    let (hour, minute) = (time.hour().cast_signed(), time.minute().cast_signed());
    loop {
        let at = date.at(hour, minute, 0, 0).to_zoned(zone.clone())?.timestamp().as_millisecond();
        if at > now {
            return Ok(at);
        }
        date = date.checked_add(1.day())?;
    }
}
