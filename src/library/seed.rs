//! Rows as a large library has them, to see how lists behave over very many: names and tags of which some are common
//! and most are rare, accounts and albums of very different size. There are no bytes behind them.

use std::collections::BTreeMap;

use super::listing::Reach;
use super::store::{self, seed as rows};
use super::words::terms;
use super::{ImageId, Library, LibraryError, Visibility};
use crate::db::Value;
use crate::storage::{ContentHash, Md5, ObjectKey};

/// What is to be made.
#[derive(Debug, Clone)]
pub struct Seed {
    pub images: u64,
    /// Whose; the first has half of all.
    pub owners: Vec<i64>,
    /// In milliseconds since 1970; the images came in the five years before.
    pub now: i64,
}

/// A row of `images` to be.
pub(super) struct Made {
    pub id: String,
    pub name: String,
    pub sha256: ContentHash,
    pub md5: Md5,
    pub bytes: i64,
    pub format: &'static str,
    pub width: u32,
    pub height: u32,
    pub visibility: Visibility,
    pub key: ObjectKey,
    pub owner: i64,
    pub created_at: i64,
    /// Never both.
    pub deleted_at: Option<i64>,
    pub expires_at: Option<i64>,
    pub views: i64,
    /// As numbers of the owner's.
    tags: Vec<usize>,
    album: Option<usize>,
}

/// By how much the counts that stand beside the rows grow.
#[derive(Default)]
pub(super) struct Sums {
    pub owners: BTreeMap<i64, Sum>,
    pub tags: BTreeMap<i64, i64>,
    pub albums: BTreeMap<i64, i64>,
}

#[derive(Default)]
pub(super) struct Sum {
    pub bytes: i64,
    pub live: i64,
    pub trashed: i64,
}

/// What an account has: keys.
struct Shelf {
    tags: Vec<i64>,
    albums: Vec<i64>,
}

impl Library {
    /// Whether there is neither an image nor an account.
    pub async fn is_unused(&self) -> Result<bool, LibraryError> {
        Ok(rows::is_empty(&self.db).await?)
    }

    /// Makes the rows, some thousands a transaction; `progress` hears how many there are.
    pub async fn seed(
        &self,
        seed: &Seed,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), LibraryError> {
        let mut shelves = BTreeMap::new();
        for owner in &seed.owners {
            shelves.insert(*owner, self.shelf(*owner, seed.now).await?);
        }
        let storage = self.storages.default().name().to_owned();
        let mut dice = Dice(seed.now.unsigned_abs());
        let mut done = 0;
        while done < seed.images {
            let upto = (done + AT_ONCE).min(seed.images);
            let made = (done..upto).map(|at| seed.image(at, &mut dice)).collect::<Result<Vec<_>, _>>()?;
            let mut tx = self.db.write().await?;
            let keys = rows::images(&mut tx, &storage, &made).await?;
            rows::objects(&mut tx, &storage, &made).await?;
            let (mut words, mut tags, mut albums) = (Vec::new(), Vec::new(), Vec::new());
            let mut sums = Sums::default();
            for (made, pk) in made.iter().zip(keys) {
                let shelf = &shelves[&made.owner];
                words.extend(made.words().into_iter().map(|(term, uses)| {
                    vec![made.owner.into(), term.into(), made.created_at.into(), pk.into(), uses.into()]
                }));
                let keys = made.tags.iter().map(|tag| shelf.tags[*tag]);
                tags.extend(
                    keys.map(|tag| -> Vec<Value> { vec![tag.into(), made.created_at.into(), pk.into()] }),
                );
                // By its own key, so that nobody need count.
                albums.extend(
                    made.album.map(|album| -> Vec<Value> {
                        vec![shelf.albums[album].into(), pk.into(), pk.into()]
                    }),
                );
                sums.add(made, shelf);
            }
            rows::terms(&mut tx, words).await?;
            rows::tags(&mut tx, tags).await?;
            rows::albums(&mut tx, albums).await?;
            rows::count(&mut tx, &sums).await?;
            tx.commit().await?;
            done = upto;
            progress(done);
        }
        Ok(())
    }

    async fn shelf(&self, owner: i64, now: i64) -> Result<Shelf, LibraryError> {
        let mut tx = self.db.write().await?;
        let mut shelf = Shelf { tags: Vec::new(), albums: Vec::new() };
        for at in 0..TAGS {
            shelf.tags.push(store::tags::take(&mut tx, owner, &tag_name(at), now).await?.pk);
        }
        for at in 0..ALBUMS {
            let id = ImageId::random()?;
            store::albums::insert(&mut tx, id.as_str(), owner, &format!("Album {at}"), now).await?;
            shelf.albums.push(store::albums::find(&mut tx, Reach::Owner(owner), id.as_str()).await?.pk);
        }
        tx.commit().await?;
        Ok(shelf)
    }
}

impl Seed {
    fn image(&self, at: u64, dice: &mut Dice) -> Result<Made, LibraryError> {
        let owner = if dice.below(2) == 0 { 0 } else { dice.below(self.owners.len() as u64) as usize };
        let ((format, share), mut ticket) = (FORMATS[0], dice.below(100));
        let mut format = (format, share);
        for next in FORMATS {
            format = next;
            if ticket < next.1 {
                break;
            }
            ticket -= next.1;
        }
        let sha256 = ContentHash(dice.bytes());
        let (width, height) = (200 + dice.skewed(6000) as u32, 200 + dice.skewed(4000) as u32);
        // Some come together.
        let created_at = self.now - SPAN_MS + (at / 4 * 4) as i64 * (SPAN_MS / self.images.max(1) as i64);
        let fate = dice.below(1000);
        let day = 86_400_000;
        let mut tags: Vec<usize> = (0..dice.below(4)).map(|_| dice.skewed(TAGS) as usize).collect();
        tags.sort_unstable();
        tags.dedup();
        Ok(Made {
            id: ImageId::random()?.to_string(),
            name: name(at, format.0, dice),
            sha256,
            md5: Md5(dice.bytes()),
            bytes: 5_000 + (u64::from(width) * u64::from(height) / (2 + dice.below(12))) as i64,
            format: format.0,
            width,
            height,
            visibility: if dice.below(10) == 0 { Visibility::Private } else { Visibility::Public },
            key: ObjectKey::for_content(&sha256, format.0),
            owner: self.owners[owner],
            created_at,
            deleted_at: (fate < 30).then(|| self.now - dice.below(20) as i64 * day),
            // A few have expired and wait for the clean-up.
            expires_at: (30..50).contains(&fate).then(|| self.now + (dice.below(400) as i64 - 2) * day),
            views: dice.skewed(100_000) as i64,
            tags,
            album: (dice.below(5) < 2).then(|| dice.skewed(ALBUMS) as usize),
        })
    }
}

impl Made {
    /// What it is found by, and in how many of its texts.
    fn words(&self) -> BTreeMap<String, i64> {
        let mut words = BTreeMap::new();
        let tags = self.tags.iter().map(|tag| tag_name(*tag as u64));
        for text in tags.chain([self.name.clone()]) {
            terms(&text).into_iter().for_each(|term| *words.entry(term).or_default() += 1);
        }
        words
    }
}

impl Sums {
    fn add(&mut self, made: &Made, shelf: &Shelf) {
        let sum = self.owners.entry(made.owner).or_default();
        sum.bytes += made.bytes;
        if made.deleted_at.is_some() {
            sum.trashed += 1;
            return;
        }
        sum.live += 1;
        for tag in &made.tags {
            *self.tags.entry(shelf.tags[*tag]).or_default() += 1;
        }
        if let Some(album) = made.album {
            *self.albums.entry(shelf.albums[album]).or_default() += 1;
        }
    }
}

/// Numbers without a pattern; nothing depends on them but how likely things are.
struct Dice(u64);

impl Dice {
    /// splitmix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Below `end`, each power of two as likely as the others: the first few are common and the last rare.
    fn skewed(&mut self, end: u64) -> u64 {
        let share = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        ((((end + 1) as f64).powf(share)) as u64).saturating_sub(1).min(end - 1)
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        bytes
            .chunks_mut(8)
            .for_each(|piece| piece.copy_from_slice(&self.next().to_le_bytes()[..piece.len()]));
        bytes
    }
}

fn name(at: u64, format: &str, dice: &mut Dice) -> String {
    if dice.below(20) == 0 {
        let text: String = (0..4).map(|_| DENSE[dice.skewed(DENSE.len() as u64) as usize]).collect();
        return format!("{text} {at}.{format}");
    }
    format!("{} {} {at}.{format}", word(dice.skewed(WORDS)), word(dice.skewed(WORDS)))
}

/// `word(0)` is the most common.
fn word(at: u64) -> String {
    let syllable = |at: u64| SYLLABLES[(at % SYLLABLES.len() as u64) as usize];
    let count = SYLLABLES.len() as u64;
    format!("{}{}{}", syllable(at), syllable(at / count), syllable(at / count / count + 7))
}

fn tag_name(at: u64) -> String {
    format!("tag {}", word(at))
}

/// In one transaction.
const AT_ONCE: u64 = 10_000;
const SPAN_MS: i64 = 5 * 365 * 86_400_000;
/// Of each account.
const TAGS: u64 = 40;
const ALBUMS: u64 = 30;
const WORDS: u64 = 5000;
/// With their shares in percent.
const FORMATS: [(&str, u64); 5] = [("jpg", 70), ("png", 15), ("webp", 10), ("gif", 3), ("avif", 2)];
const SYLLABLES: [&str; 20] = [
    "ba", "ko", "mi", "ru", "te", "sa", "no", "le", "fu", "di", "ga", "ho", "pe", "lu", "vi", "za", "jo",
    "ri", "ne", "wu",
];
const DENSE: [char; 16] =
    ['夏', '天', '海', '山', '花', '鳥', '風', '月', '春', '秋', '冬', '雪', '空', '森', '川', '星'];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::tests::library;
    use crate::library::{Filter, Listing, Total};

    #[tokio::test]
    async fn what_is_counted_beside_the_rows_is_what_there_is() {
        let dir = tempfile::tempdir().unwrap();
        let library = library(dir.path()).await;
        assert!(library.is_unused().await.unwrap());
        let seed = Seed { images: 1200, owners: vec![4, 5, 6], now: 1_700_000_000_000 };
        let mut heard = 0;
        library.seed(&seed, &mut |done| heard = done).await.unwrap();
        assert_eq!(heard, 1200);
        assert!(!library.is_unused().await.unwrap());
        let all = Listing { limit: 1, ..Listing::default() };
        let mut total = 0;
        for trash in [false, true] {
            total += library.page(&Listing { trash, ..all.clone() }, 0).await.unwrap().total.count;
        }
        assert_eq!(total, 1200);
        // A tag and an album say how many live images they have, and lists find as many.
        let mine = Listing { reach: Reach::Owner(4), ..all };
        let tag = store::tags::find(&library.db, 4, &tag_name(0)).await.unwrap().unwrap();
        let tagged = Filter { tag: Some(tag_name(0)), ..Filter::default() };
        let found = library.page(&Listing { filter: tagged, ..mine.clone() }, 0).await.unwrap().total;
        assert_eq!(found, Total { count: tag.images, exact: true });
        assert!(tag.images > 20);
        for album in library.albums(4, None, 100).await.unwrap().albums {
            let filter = Filter { album: Some(album.id), ..Filter::default() };
            let found = library.page(&Listing { filter, ..mine.clone() }, 0).await.unwrap().total.count;
            assert_eq!(found, album.images);
        }
        let searched = Filter { query: Some("tag jpg babale".to_owned()), ..Filter::default() };
        assert!(library.page(&Listing { filter: searched, ..mine }, 0).await.unwrap().total.count > 0);
        assert!(store::usage::read(&library.db, 4).await.unwrap().unwrap().files > 500);
    }
}
