//! What an administrator wants to know of the whole: `/v1/admin/statistics`.

use http::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answer::ok;
use super::call::{Call, Refused};
use super::endpoint::Endpoint;
use super::image::ImageAnswer;
use crate::accounts::Scope;
use crate::delivery::body::Body;
use crate::library::{Day, Listing, Reach, Sort};

pub(super) const ENDPOINTS: &[Endpoint] = &[Endpoint::get(
    "/v1/admin/statistics",
    "adminStatistics",
    "Accounts, pictures, storages, and what was served by day",
    |call| Box::pin(statistics(call)),
)
.scope(Scope::Admin)
.query::<Asked>()
.gives::<Statistics>(200, "The figures; views are some seconds behind")];

const DAY_MS: i64 = 86_400_000;
/// Of the most viewed pictures.
const TOP: u32 = 10;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// How far back the days go; 30 if left out.
    #[schemars(range(min = 1, max = 400))]
    days: Option<u16>,
}

#[derive(Serialize, JsonSchema)]
struct Statistics {
    users: u64,
    /// Without those in the trash.
    images: u64,
    in_trash: u64,
    storages: Vec<StorageUse>,
    /// Oldest first; days on which nothing was served are left out.
    days: Vec<DayAnswer>,
    most_viewed: Vec<ImageAnswer>,
}

#[derive(Serialize, JsonSchema)]
struct StorageUse {
    name: String,
    /// Each content once, however many pictures have it.
    objects: u64,
    bytes: u64,
}

#[derive(Serialize, JsonSchema)]
struct DayAnswer {
    /// `2026-11-21`, UTC.
    date: String,
    views: u64,
    bytes_served: u64,
    /// What the originals would have been more.
    bytes_saved: u64,
}

async fn statistics(call: Call) -> Result<Response<Body>, Refused> {
    let Asked { days } = call.query()?;
    let library = &call.api().library;
    let count = async |trash| {
        let listing = Listing { reach: Reach::Everybody, trash, limit: 1, ..Listing::default() };
        Ok::<_, Refused>(library.page(&listing, call.now).await?.total.count)
    };
    let (images, in_trash) = (count(false).await?, count(true).await?);
    let top = Listing { reach: Reach::Everybody, sort: Sort::Views, limit: TOP, ..Listing::default() };
    let top = library.page(&top, call.now).await?.images;
    let viewed = top.iter().filter(|image| image.views > 0);
    let most_viewed: Result<Vec<_>, _> =
        viewed.map(|image| ImageAnswer::of(image, None, &call.parts.delivery)).collect();
    let since = call.now.div_euclid(DAY_MS) - i64::from(days.unwrap_or(30)) + 1;
    let storage = |(name, objects, bytes)| StorageUse { name, objects, bytes };
    Ok(ok(&Statistics {
        users: call.api().accounts.count().await?,
        images,
        in_trash,
        storages: library.stored().await?.into_iter().map(storage).collect(),
        days: library.days(since).await?.iter().map(DayAnswer::of).collect(),
        most_viewed: most_viewed?,
    }))
}

impl DayAnswer {
    fn of(day: &Day) -> Self {
        let at = jiff::Timestamp::from_second(day.day.saturating_mul(DAY_MS / 1000)).unwrap_or_default();
        Self {
            date: at.strftime("%Y-%m-%d").to_string(),
            views: day.count.views,
            bytes_served: day.count.bytes_served,
            bytes_saved: day.count.bytes_saved,
        }
    }
}
