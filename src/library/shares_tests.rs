//! Share links: counted exactly, ended for good, and shown to nobody but their owner.

use super::*;
use crate::library::tests::{library, new};

const NOW: i64 = 1_790_000_000_000;
const ALL: Page = Page { limit: 100, before: None };

async fn shared(library: &Library, owner: Option<i64>) -> Image {
    let image = crate::library::NewImage { owner, ..new(&owner.unwrap_or(0).to_le_bytes(), "a.jpg") };
    library.insert(&image).await.unwrap()
}

#[tokio::test]
async fn the_token_is_told_once_and_finds_its_share() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    let image = shared(&library, Some(7)).await;
    let (share, token) = library.create_share(&image, &NewShare::default(), NOW).await.unwrap();
    assert!(is_share_token(token.expose()) && !format!("{token:?}").contains(token.expose()));
    let what = Shared::Image { pk: image.pk, id: image.id.clone() };
    assert_eq!((&share.what, share.owner, share.views), (&what, Some(7), 0));
    assert_eq!(library.find_share(token.expose()).await.unwrap().as_ref(), Some(&share));
    for wrong in ["", &share.id, "AAAAAAAAAAAAAAAAAAAAAA", &token.expose().to_lowercase(), "' OR 1=1 --"] {
        assert_eq!(library.find_share(wrong).await.unwrap(), None, "{wrong}");
    }
    library.db.close().await;
    // Other engines keep their files to themselves.
    let Ok(file) = std::fs::read(dir.path().join("pixedge.db")) else { return };
    let holds = |text: &str| file.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds(&share.id) && !holds(token.expose()));
}

#[tokio::test]
async fn ten_views_are_ten_however_many_ask_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    let image = shared(&library, None).await;
    let new = NewShare { max_views: Some(10), ..NewShare::default() };
    let (share, token) = library.create_share(&image, &new, NOW).await.unwrap();
    let views = (0..200).map(|_| {
        let (library, share) = (library.clone(), share.clone());
        tokio::spawn(async move { library.take_view(&share, NOW + 5).await.unwrap() })
    });
    let taken = futures_util::future::join_all(views).await;
    assert_eq!(taken.into_iter().filter(|taken| *taken.as_ref().unwrap()).count(), 10);
    let share = library.find_share(token.expose()).await.unwrap().unwrap();
    assert_eq!((share.views, share.viewed_at, share.is_live(NOW)), (10, Some(NOW + 5), false));
}

#[tokio::test]
async fn a_share_ends_with_its_time_or_by_its_owners_word() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    let image = shared(&library, Some(7)).await;
    let new = NewShare { expires_at: Some(NOW + 10), ..NewShare::default() };
    let (timed, _) = library.create_share(&image, &new, NOW).await.unwrap();
    assert!(timed.is_live(NOW + 9) && library.take_view(&timed, NOW + 9).await.unwrap());
    assert!(!timed.is_live(NOW + 10) && !library.take_view(&timed, NOW + 10).await.unwrap());

    let (open, token) = library.create_share(&image, &NewShare::default(), NOW).await.unwrap();
    let stranger = library.revoke_share(Some(8), &open.id, NOW).await.unwrap_err();
    assert!(matches!(stranger, LibraryError::NoShare));
    assert!(library.take_view(&open, NOW).await.unwrap());
    library.revoke_share(Some(7), &open.id, NOW + 1).await.unwrap();
    library.revoke_share(None, &open.id, NOW + 2).await.unwrap();
    let revoked = library.find_share(token.expose()).await.unwrap().unwrap();
    assert_eq!((revoked.revoked_at, revoked.is_live(NOW)), (Some(NOW + 1), false));
    // What was read before the revocation gives no view either.
    assert!(!library.take_view(&open, NOW + 2).await.unwrap());

    assert_eq!(library.sweep_shares(NOW + 2).await.unwrap(), 1);
    assert_eq!(library.shares(Some(7), &ALL).await.unwrap().len(), 1);
    assert_eq!(library.sweep_shares(NOW + 11).await.unwrap(), 1);
}

#[tokio::test]
async fn lists_are_ones_own_and_go_on_where_they_ended() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    let (mine, theirs) = (shared(&library, Some(7)).await, shared(&library, Some(8)).await);
    for image in [&mine, &theirs, &mine, &mine] {
        library.create_share(image, &NewShare::default(), NOW).await.unwrap();
    }
    assert_eq!(library.shares(Some(7), &ALL).await.unwrap().len(), 3);
    assert_eq!(library.shares_of(&theirs, &ALL).await.unwrap().len(), 1);
    assert_eq!(library.shares(None, &ALL).await.unwrap().len(), 4);
    let first = library.shares(Some(7), &Page { limit: 2, before: None }).await.unwrap();
    let rest = Page { limit: 2, before: first.last().map(|share| share.pk) };
    assert_eq!(library.shares(Some(7), &rest).await.unwrap().len(), 1);
    for (new, field) in [
        (NewShare { expires_at: Some(NOW), ..NewShare::default() }, "expires_at"),
        (NewShare { max_views: Some(0), ..NewShare::default() }, "max_views"),
        (NewShare { max_views: Some(u64::MAX), ..NewShare::default() }, "max_views"),
    ] {
        let error = library.create_share(&mine, &new, NOW).await.unwrap_err();
        assert!(matches!(error, LibraryError::Field { field: named, .. } if named == field), "{error}");
    }
}
