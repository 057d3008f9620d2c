//! What reading over a network takes, whatever speaks there: asking again, and not taking a part for the whole.

use std::future::Future;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::OwnedSemaphorePermit;

use super::error::failed;
use super::{ByteStream, Identity, SourceError};

pub(super) const ENDED_EARLY: &str = "the object ended early";

const RETRIES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(300)];

/// Asks up to three times. OpenDAL's own layer takes up a read half-way, where the object may be another one by then.
pub(super) async fn retrying<T, E, F: Future<Output = Result<T, E>>>(
    mut work: impl FnMut() -> F,
    is_temporary: impl Fn(&E) -> bool,
) -> Result<T, E> {
    for delay in RETRIES {
        match work().await {
            Err(error) if is_temporary(&error) => tokio::time::sleep(delay).await,
            done => return done,
        }
    }
    work().await
}

/// A part of an object of which nothing but all of its bytes tells the version.
pub(super) fn part_of(
    read: &Identity,
    expected: &Identity,
    bytes: &Bytes,
    range: Range<u64>,
) -> Result<ByteStream, SourceError> {
    if read != expected {
        return Err(SourceError::Changed);
    }
    // The range lies within the expected version.
    Ok(stream::iter([Ok(bytes.slice(range.start as usize..range.end as usize))]).boxed())
}

/// Ends with an error where there are fewer bytes than promised; keeps the place until the end.
pub(super) fn exactly(name: &str, len: u64, pieces: ByteStream, place: OwnedSemaphorePermit) -> ByteStream {
    let short = failed(name, ENDED_EARLY);
    let state = (pieces, len, short, place);
    stream::try_unfold(state, |(mut pieces, left, short, place)| async move {
        if left == 0 {
            return Ok(None);
        }
        match pieces.try_next().await? {
            Some(piece) if piece.len() as u64 <= left => {
                let left = left - piece.len() as u64;
                Ok(Some((piece, (pieces, left, short, place))))
            }
            _ => Err(short),
        }
    })
    .boxed()
}
