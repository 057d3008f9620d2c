//! Albums and tags: what is in them, in which order, and what follows when pictures go.

use super::*;
use crate::library::albums::Place;

const ME: i64 = 7;
const MINE: Reach = Reach::Owner(ME);

async fn image(library: &Library, owner: i64, name: &str) -> Image {
    library.insert(&NewImage { owner: Some(owner), ..new(name.as_bytes(), name) }).await.unwrap()
}

fn tags(names: &[&str]) -> Vec<TagName> {
    names.iter().map(|name| TagName::new(name).unwrap()).collect()
}

async fn names(library: &Library, filter: Filter, sort: Sort) -> Vec<String> {
    let listing = Listing { reach: MINE, filter, sort, limit: 100, ..Listing::default() };
    let page = library.page(&listing, now_ms()).await.unwrap();
    assert_eq!(page.total.count, page.images.len() as u64);
    page.images.into_iter().map(|image| image.name).collect()
}

async fn search(library: &Library, query: &str) -> Vec<String> {
    names(library, Filter { query: Some(query.to_owned()), ..Filter::default() }, Sort::Oldest).await
}

/// Tags with how many images they count.
async fn counted(library: &Library) -> Vec<(String, u64)> {
    let tags = library.tags(ME, None, 100).await.unwrap().tags;
    tags.into_iter().map(|tag| (tag.name, tag.images)).collect()
}

#[tokio::test]
async fn an_image_is_found_by_what_it_is_called_now() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    let cat = image(&library, ME, "grey cat.jpg").await;
    let id = cat.id.as_str();
    let edit = Edit { tags: Some(tags(&["Cat", "Old Town"])), ..Edit::default() };
    library.edit(MINE, id, &edit, now_ms()).await.unwrap();
    assert_eq!(search(&library, "cat town").await, ["grey cat.jpg"]);
    // `cat` is still a word of the tag.
    let edit = Edit { name: Some(" dog.jpg ".to_owned()), ..Edit::default() };
    assert_eq!(library.edit(MINE, id, &edit, now_ms()).await.unwrap().name, "dog.jpg");
    assert_eq!(search(&library, "cat dog").await, ["dog.jpg"]);
    assert!(search(&library, "grey").await.is_empty());
    library
        .edit(MINE, id, &Edit { tags: Some(tags(&["old town"])), ..Edit::default() }, now_ms())
        .await
        .unwrap();
    assert!(search(&library, "cat").await.is_empty());
    assert_eq!(counted(&library).await, [("cat".to_owned(), 0), ("old town".to_owned(), 1)]);
    for (edit, field) in [
        (Edit { name: Some(" ".to_owned()), ..Edit::default() }, "name"),
        (Edit { name: Some("a\nb".to_owned()), ..Edit::default() }, "name"),
        (Edit { expires_at: Some(Some(now_ms() - 1)), ..Edit::default() }, "expires_at"),
    ] {
        let error = library.edit(MINE, id, &edit, now_ms()).await.unwrap_err();
        assert!(matches!(error, LibraryError::Field { field: wrong, .. } if wrong == field), "{error}");
    }
}

#[tokio::test]
async fn tags_are_renamed_merged_and_removed_with_the_words_of_their_images() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    let (one, two) = (image(&library, ME, "one sea").await, image(&library, ME, "two").await);
    let ids = [one.id.to_string(), two.id.to_string()];
    library.batch(MINE, &ids, &Action::Tag(tags(&["sea"])), now_ms()).await.unwrap();
    library.batch(MINE, &ids[1..], &Action::Tag(tags(&["beach"])), now_ms()).await.unwrap();
    assert_eq!(search(&library, "sea").await, ["one sea", "two"]);
    let renamed = library.rename_tag(ME, "Sea", &tags(&["ocean"])[0], now_ms()).await.unwrap();
    assert_eq!((renamed.name.as_str(), renamed.images), ("ocean", 2));
    assert_eq!(search(&library, "ocean").await, ["one sea", "two"]);
    assert_eq!(search(&library, "sea").await, ["one sea"]);
    let merged = library.rename_tag(ME, "ocean", &tags(&["beach"])[0], now_ms()).await.unwrap();
    assert_eq!((merged.name.as_str(), merged.images), ("beach", 2));
    assert_eq!(search(&library, "beach").await, ["one sea", "two"]);
    assert!(search(&library, "ocean").await.is_empty());
    library.delete_tag(ME, "beach").await.unwrap();
    assert!(search(&library, "beach").await.is_empty());
    assert!(counted(&library).await.is_empty());
    assert_eq!(search(&library, "two").await, ["two"]);
    assert!(library.delete_tag(ME, "beach").await.is_err());
    assert!(library.rename_tag(8, "beach", &tags(&["x"])[0], now_ms()).await.is_err());
    let left = library.db.row("SELECT COUNT(*) AS found FROM image_terms", &[]).await.unwrap().unwrap();
    assert_eq!(left.int("found").unwrap(), 3);
}

#[tokio::test]
async fn albums_have_numbers_and_places_in_their_list() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    let mut made = Vec::new();
    for (owner, name) in [(ME, "a"), (8, "theirs"), (ME, "b"), (ME, "c")] {
        made.push(library.create_album(owner, name, now_ms()).await.unwrap());
    }
    for album in &made {
        let mine = library.numbered_album(ME, album.number()).await;
        assert_eq!(mine.ok().map(|found| found.id), (album.owner == ME).then(|| album.id.clone()));
    }
    for number in [0, -1, i64::MAX, made[3].number() + 1] {
        assert!(library.numbered_album(ME, number).await.is_err(), "{number}");
    }
    let part = async |skip| {
        let (albums, total) = library.albums_from(ME, skip, 2).await.unwrap();
        (albums.into_iter().map(|album| album.name).collect::<Vec<_>>().concat(), total)
    };
    assert_eq!(part(0).await, ("cb".to_owned(), 3));
    assert_eq!(part(2).await, ("a".to_owned(), 3));
    assert_eq!(part(u64::MAX).await, (String::new(), 3));
}

#[tokio::test]
async fn an_album_keeps_its_order_its_count_and_its_cover() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "d"] {
        ids.push(image(&library, ME, name).await.id.to_string());
    }
    let theirs = image(&library, 8, "theirs").await;
    let album = library.create_album(ME, " Summer ", now_ms()).await.unwrap();
    assert_eq!((album.name.as_str(), album.images, &album.cover), ("Summer", 0, &None));
    let id = album.id.as_str();
    let inside = async || {
        let filter = Filter { album: Some(id.to_owned()), ..Filter::default() };
        names(&library, filter, Sort::Album).await.concat()
    };
    let filled = library.fill_album(MINE, id, &ids, Place::Last, now_ms()).await.unwrap();
    assert_eq!((filled.images, filled.cover.as_ref()), (4, Some(&ids[0])));
    assert_eq!(inside().await, "abcd");
    let front = [ids[3].clone(), ids[1].clone()];
    library.fill_album(MINE, id, &front, Place::First, now_ms()).await.unwrap();
    library.fill_album(MINE, id, &ids[..1], Place::Last, now_ms()).await.unwrap();
    assert_eq!(inside().await, "dbac");

    let edit = AlbumEdit { cover: Some(Some(ids[2].clone())), name: Some("Winter".to_owned()) };
    let edited = library.edit_album(MINE, id, &edit, now_ms()).await.unwrap();
    assert_eq!((edited.name.as_str(), edited.cover.as_ref()), ("Winter", Some(&ids[2])));
    // What is in the trash neither counts nor stands for the album, until it comes back.
    library.trash(MINE, &ids[2], now_ms()).await.unwrap();
    let album = library.album(MINE, id).await.unwrap();
    assert_eq!((album.images, album.cover.as_ref()), (3, Some(&ids[3])));
    assert_eq!(inside().await, "dba");
    library.restore(MINE, &ids[2], now_ms()).await.unwrap();
    assert_eq!(library.album(MINE, id).await.unwrap().cover.as_ref(), Some(&ids[2]));

    let strange = [ids[0].clone(), theirs.id.to_string()];
    assert!(library.fill_album(MINE, id, &strange, Place::First, now_ms()).await.is_err());
    assert_eq!(inside().await, "dbac");
    let cover = AlbumEdit { cover: Some(Some(theirs.id.to_string())), name: None };
    assert!(library.edit_album(MINE, id, &cover, now_ms()).await.is_err());
    let thinned = library.thin_album(MINE, id, &ids[2..]).await.unwrap();
    assert_eq!((thinned.images, thinned.cover.as_ref()), (2, Some(&ids[1])));

    for reach in [Reach::Owner(8)] {
        assert!(library.album(reach, id).await.is_err());
        assert!(library.delete_album(reach, id).await.is_err());
    }
    library.delete_album(MINE, id).await.unwrap();
    assert!(library.album(MINE, id).await.is_err());
    assert!(library.find(&ids[0]).await.unwrap().is_some());
}

#[tokio::test]
async fn a_batch_says_of_each_what_became_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    let (a, b) = (image(&library, ME, "a").await, image(&library, ME, "b").await);
    let theirs = image(&library, 8, "theirs").await;
    let ids = [a.id.to_string(), "nothere1".to_owned(), theirs.id.to_string(), b.id.to_string()];
    let done = async |action: &Action| {
        let done = library.batch(MINE, &ids, action, now_ms()).await.unwrap();
        done.iter().map(|done| if done.result.is_ok() { '+' } else { '-' }).collect::<String>()
    };
    let (one, two) =
        (library.create_album(ME, "1", 1).await.unwrap(), library.create_album(ME, "2", 1).await.unwrap());
    for action in [
        Action::AddToAlbum(one.id.clone()),
        Action::AddToAlbum(two.id.clone()),
        Action::RemoveFromAlbum(two.id.clone()),
        Action::MoveToAlbum(two.id.clone()),
        Action::Tag(tags(&["x", "y"])),
        Action::Untag(tags(&["x"])),
        Action::SetVisibility(Visibility::Private),
    ] {
        assert_eq!(done(&action).await, "+--+", "{action:?}");
    }
    let row = library.get(MINE, &ids[0], now_ms()).await.unwrap();
    assert_eq!(row.visibility, Visibility::Private);
    let labels = library.labels(std::slice::from_ref(&row)).await.unwrap();
    assert_eq!(labels[&row.pk], Labels { tags: vec!["y".to_owned()], albums: vec![two.id.clone()] });
    assert_eq!(library.album(MINE, &one.id).await.unwrap().images, 0);
    for (action, expected) in [
        (Action::Restore, "----"),
        (Action::DeleteForever, "----"),
        (Action::Delete, "+--+"),
        (Action::Delete, "----"),
        (Action::Restore, "+--+"),
        (Action::Delete, "+--+"),
        (Action::DeleteForever, "+--+"),
        (Action::Restore, "----"),
    ] {
        assert_eq!(done(&action).await, expected, "{action:?}");
    }
    assert_eq!(counted(&library).await, [("x".to_owned(), 0), ("y".to_owned(), 0)]);
    assert!(library.find(theirs.id.as_str()).await.unwrap().is_some());
    let many: Vec<String> = (0..501).map(|n| n.to_string()).collect();
    assert!(library.batch(MINE, &many, &Action::Delete, 1).await.is_err());
    assert!(library.batch(MINE, &[], &Action::Delete, 1).await.is_err());
}
