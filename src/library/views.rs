//! How often pictures are looked at, for their owners and for statistics. Counted in memory, since a hit costs less than
//! the shortest statement, and written down every few seconds and at the end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Image, Library, LibraryError, store};

/// What is not written down yet. Shared by all clones of a library.
#[derive(Clone, Default)]
pub(super) struct Views {
    /// A request holds one for some nanoseconds; those of one picture meet, those of others rarely.
    shards: Arc<[Mutex<HashMap<i64, Count>>; SHARDS]>,
}

/// What came together of one image, or of all on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    pub views: u64,
    /// Of bodies, as they were sent.
    pub bytes_served: u64,
    /// What the originals would have been more.
    pub bytes_saved: u64,
}

/// One day's counts; days since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    pub day: i64,
    pub count: Count,
}

const SHARDS: usize = 16;
const DAY_MS: i64 = 86_400_000;

impl Count {
    fn add(&mut self, other: Self) {
        self.views += other.views;
        self.bytes_served += other.bytes_served;
        self.bytes_saved += other.bytes_saved;
    }
}

impl Views {
    fn add(&self, image: i64, count: Count) {
        let shard = &self.shards[image.rem_euclid(SHARDS as i64) as usize];
        shard.lock().unwrap_or_else(PoisonError::into_inner).entry(image).or_default().add(count);
    }

    /// In the order of the images, so that two writers lock their rows in the same order.
    fn take(&self) -> Vec<(i64, Count)> {
        let take =
            |shard: &Mutex<_>| std::mem::take(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner));
        let mut all: Vec<(i64, Count)> = self.shards.iter().flat_map(take).collect();
        all.sort_unstable_by_key(|(image, _)| *image);
        all
    }
}

impl Library {
    /// Somebody was shown `image`: `sent` bytes out of `len`.
    pub fn note_view(&self, image: &Image, sent: u64, len: u64) {
        let bytes_saved = image.bytes.saturating_sub(len);
        self.views.add(image.pk, Count { views: 1, bytes_served: sent, bytes_saved });
    }

    /// Writes down what was noted. For a task that runs every few seconds, and for the end. What cannot be written is
    /// kept for the next time.
    pub async fn flush_views(&self, now: i64) -> Result<(), LibraryError> {
        let counts = self.views.take();
        if counts.is_empty() {
            return Ok(());
        }
        let written = self.write_views(&counts, now).await;
        if written.is_err() {
            counts.into_iter().for_each(|(image, count)| self.views.add(image, count));
        }
        written
    }

    async fn write_views(&self, counts: &[(i64, Count)], now: i64) -> Result<(), LibraryError> {
        let day = now.div_euclid(DAY_MS);
        let mut tx = self.db.write().await?;
        let mut all = Count::default();
        for (image, count) in counts {
            store::views::add(&mut tx, *image, day, count, now).await?;
            all.add(*count);
        }
        store::views::add_day(&mut tx, day, &all).await?;
        Ok(tx.commit().await?)
    }

    /// What was served on each day from `since` on, by all images.
    pub async fn days(&self, since: i64) -> Result<Vec<Day>, LibraryError> {
        Ok(store::views::days(&self.db, since).await?)
    }

    /// The same of one image.
    pub async fn days_of(&self, image: &Image, since: i64) -> Result<Vec<Day>, LibraryError> {
        Ok(store::views::days_of(&self.db, image.pk, since).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::tests::{library, new};

    const NOON: i64 = 20_000 * DAY_MS + DAY_MS / 2;

    #[tokio::test]
    async fn views_are_written_down_by_image_and_day() {
        let dir = tempfile::tempdir().unwrap();
        let library = library(dir.path()).await;
        let one = library.insert(&new(&[0; 1000], "one")).await.unwrap();
        let two = library.insert(&new(b"two", "two")).await.unwrap();
        for _ in 0..3 {
            library.note_view(&one, 200, 200);
        }
        library.note_view(&two, 50, 50);
        library.flush_views(NOON).await.unwrap();
        library.note_view(&one, 10, 200);
        library.flush_views(NOON + 1).await.unwrap();
        library.note_view(&one, 1, 1);
        library.flush_views(NOON + DAY_MS).await.unwrap();
        library.flush_views(NOON + 2 * DAY_MS).await.unwrap();

        let row = library.find_any(&one.id).await.unwrap().unwrap();
        assert_eq!((row.views, row.last_viewed_at), (5, Some(NOON + DAY_MS)));
        let count = |views, bytes_served, bytes_saved| Count { views, bytes_served, bytes_saved };
        let first = count(4, 610, 3200);
        let second = Day { day: 20_001, count: count(1, 1, 999) };
        assert_eq!(library.days_of(&one, 0).await.unwrap(), [Day { day: 20_000, count: first }, second]);
        // What is larger than its original saves nothing.
        let all = Day { day: 20_000, count: count(5, 660, 3200) };
        assert_eq!(library.days(20_000).await.unwrap(), [all, second]);
        assert_eq!(library.days(20_001).await.unwrap(), [second]);
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_kept_and_a_lost_image_harms_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let library = library(dir.path()).await;
        let image = library.insert(&new(b"one", "one")).await.unwrap();
        let lost = Image { pk: 99, ..image.clone() };
        library.note_view(&lost, 1, 1);
        library.note_view(&image, 1, 1);
        let missing = "ALTER TABLE image_days RENAME TO away";
        library.db.execute(missing, &[]).await.unwrap();
        assert!(library.flush_views(NOON).await.is_err());
        library.db.execute("ALTER TABLE away RENAME TO image_days", &[]).await.unwrap();
        library.flush_views(NOON).await.unwrap();
        assert_eq!(library.find_any(&image.id).await.unwrap().unwrap().views, 1);
        assert_eq!(library.days(0).await.unwrap()[0].count.views, 2);
    }
}
