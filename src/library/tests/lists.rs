//! Lists of pictures: every order, filter and page, and the plan of each statement.

use super::*;
use crate::library::store::list::{Expired, Part, counted, keys};

const ME: i64 = 7;

/// One of mine, told from others by its content.
fn mine(at: u32, name: &str) -> NewImage {
    NewImage { owner: Some(ME), ..new(format!("{at}-{name}").as_bytes(), name) }
}

fn listing() -> Listing {
    Listing { reach: Reach::Owner(ME), limit: 3, ..Listing::default() }
}

/// All names of a list, by cursors, each page but the last one full.
async fn walk(library: &Library, listing: &Listing) -> Vec<String> {
    let mut names = Vec::new();
    let mut listing = listing.clone();
    loop {
        let page = library.page(&listing, now_ms()).await.unwrap();
        names.extend(page.images.iter().map(|image| image.name.clone()));
        let Some(next) = page.next else { return names };
        assert_eq!(page.images.len(), listing.limit as usize);
        // It goes out as text and comes back as such.
        listing.start = Start::After(next.to_string().parse().unwrap());
    }
}

async fn pages(library: &Library, listing: &Listing) -> Vec<String> {
    let mut names = Vec::new();
    for number in 1.. {
        let listing = Listing { start: Start::Page(number), ..listing.clone() };
        let page = library.page(&listing, now_ms()).await.unwrap();
        if page.images.is_empty() {
            break;
        }
        names.extend(page.images.into_iter().map(|image| image.name));
    }
    names
}

#[tokio::test]
async fn every_order_lists_each_image_once_by_cursor_and_by_page() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    // Equal names, sizes and times: the key decides then.
    for (at, name) in ["cat 1", "dog", "cat 2", "dog", "cat 3", "ant", "bee", "dog"].into_iter().enumerate() {
        library.insert(&mine(at as u32, name)).await.unwrap();
    }
    library.db.execute("UPDATE images SET views = 5 WHERE name = 'ant'", &[]).await.unwrap();
    library.insert(&NewImage { owner: Some(8), ..new(b"theirs", "theirs") }).await.unwrap();
    let newest = ["dog", "bee", "ant", "cat 3", "dog", "cat 2", "dog", "cat 1"];
    let oldest: Vec<&str> = newest.iter().rev().copied().collect();
    for (sort, expected) in [
        (Sort::Newest, newest.to_vec()),
        (Sort::Oldest, oldest),
        (Sort::Name, vec!["ant", "bee", "cat 1", "cat 2", "cat 3", "dog", "dog", "dog"]),
        (Sort::Size, vec!["cat 3", "cat 2", "cat 1", "dog", "bee", "ant", "dog", "dog"]),
        (Sort::Smallest, vec!["dog", "dog", "ant", "bee", "dog", "cat 1", "cat 2", "cat 3"]),
        (Sort::Views, vec!["ant", "dog", "bee", "cat 3", "dog", "cat 2", "dog", "cat 1"]),
    ] {
        let listing = Listing { sort, ..listing() };
        assert_eq!(walk(&library, &listing).await, expected, "{sort:?}");
        assert_eq!(pages(&library, &listing).await, expected, "{sort:?}");
        let searched = Filter { query: Some("CAT".to_owned()), ..Filter::default() };
        let cats: Vec<&str> = expected.into_iter().filter(|name| name.starts_with("cat")).collect();
        let listing = Listing { sort, filter: searched, limit: 2, ..listing };
        assert_eq!(walk(&library, &listing).await, cats, "{sort:?}");
    }
    let everybody = Listing { reach: Reach::Everybody, limit: 500, ..listing() };
    assert_eq!(library.page(&everybody, now_ms()).await.unwrap().total, Total { count: 9, exact: true });
}

#[tokio::test]
async fn a_list_shows_what_its_filter_says_and_counts_it() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    let mut images = Vec::new();
    for at in 0..6u32 {
        let mut new = mine(at, &format!("夏天 {at}"));
        new.stored.bytes = u64::from(at) * 100;
        if at % 2 == 0 {
            (new.shape.format, new.visibility) = ("png".to_owned(), Visibility::Private);
        }
        new.expires_at = (at == 5).then_some(now_ms() - 1);
        let image = library.insert(&new).await.unwrap();
        let at = i64::from(at);
        let sql = "UPDATE images SET created_at = ? WHERE pk = ?";
        library.db.execute(sql, &[at.into(), image.pk.into()]).await.unwrap();
        let sql = "UPDATE image_terms SET created_at = ? WHERE image_pk = ?";
        library.db.execute(sql, &[at.into(), image.pk.into()]).await.unwrap();
        images.push(image);
    }
    let tags = vec![TagName::new("Holiday").unwrap()];
    let tagged = Edit { tags: Some(tags), ..Edit::default() };
    for image in &images[1..3] {
        library.edit(Reach::Owner(ME), image.id.as_str(), &tagged, now_ms()).await.unwrap();
    }
    let text = |text: &str| Some(text.to_owned());
    let none = Filter::default;
    for (filter, expected) in [
        (Filter { query: text("夏天"), ..none() }, "43210"),
        (Filter { query: text("夏"), ..none() }, "43210"),
        (Filter { query: text("天 3"), ..none() }, "3"),
        (Filter { query: text("holi*"), ..none() }, "21"),
        (Filter { query: text("holiday 1"), ..none() }, "1"),
        (Filter { query: text("冬天"), ..none() }, ""),
        (Filter { tag: text("HOLIDAY"), ..none() }, "21"),
        (Filter { tag: text("other"), ..none() }, ""),
        (Filter { format: text("png"), ..none() }, "420"),
        (Filter { visibility: Some(Visibility::Public), ..none() }, "31"),
        (Filter { min_bytes: Some(100), max_bytes: Some(300), ..none() }, "321"),
        (Filter { from: Some(1), to: Some(3), ..none() }, "21"),
        (Filter { tag: text("holiday"), format: text("png"), query: text("夏天"), ..none() }, "2"),
    ] {
        for sort in [Sort::Newest, Sort::Oldest, Sort::Name] {
            let listing = Listing { filter: filter.clone(), sort, limit: 2, ..listing() };
            let expected: String =
                if sort == Sort::Newest { expected.to_owned() } else { expected.chars().rev().collect() };
            let found = walk(&library, &listing).await;
            let found: String = found.iter().map(|name| name.chars().next_back().unwrap()).collect();
            assert_eq!(found, expected, "{filter:?} {sort:?}");
            let total = library.page(&listing, now_ms()).await.unwrap().total;
            assert_eq!(total, Total { count: expected.len() as u64, exact: true }, "{filter:?}");
        }
    }
    // The expired one is neither shown nor counted.
    assert_eq!(library.page(&listing(), now_ms()).await.unwrap().total.count, 5);
}

#[tokio::test]
async fn what_a_list_cannot_do_is_refused_with_its_field() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    let cursor = |sort| Cursor { sort, value: listing::At::Number(1), pk: 1 };
    let query = Filter { query: Some("a".to_owned()), ..Filter::default() };
    for (wrong, expected) in [
        (Listing { limit: 0, ..listing() }, "limit"),
        (Listing { limit: 501, ..listing() }, "limit"),
        (Listing { start: Start::Page(0), ..listing() }, "page"),
        (Listing { start: Start::After(cursor(Sort::Oldest)), ..listing() }, "cursor"),
        (Listing { sort: Sort::Album, ..listing() }, "sort"),
        (Listing { sort: Sort::Name, reach: Reach::Everybody, ..listing() }, "owner"),
        (Listing { filter: query, reach: Reach::Everybody, ..listing() }, "owner"),
    ] {
        let error = library.page(&wrong, now_ms()).await.unwrap_err();
        assert!(matches!(error, LibraryError::Field { field, .. } if field == expected), "{error}");
    }
    for wrong in ["", "x", "bmV3ZXN0OjE6dDE", "!!"] {
        assert!(wrong.parse::<Cursor>().is_err(), "{wrong}");
    }
    let missing = Filter { album: Some("nothere1".to_owned()), ..Filter::default() };
    let error = library.page(&Listing { filter: missing, ..listing() }, now_ms()).await.unwrap_err();
    assert!(matches!(error, LibraryError::Missing { what: "album", .. }));
}

/// Every statement of every list is led by an index, and only what leads with few may be sorted.
#[tokio::test]
async fn every_list_is_read_from_an_index() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    let image = library.insert(&mine(1, "cat")).await.unwrap();
    let album = library.create_album(ME, "Summer", now_ms()).await.unwrap();
    let filed = Edit {
        tags: Some(vec![TagName::new("sea").unwrap()]),
        albums: Some(vec![album.id.clone()]),
        ..Edit::default()
    };
    library.edit(Reach::Owner(ME), image.id.as_str(), &filed, now_ms()).await.unwrap();
    let text = |text: &str| Some(text.to_owned());
    let none = Filter::default;
    let plain = [
        none(),
        Filter { from: Some(1), ..none() },
        Filter { min_bytes: Some(1), max_bytes: Some(2), ..none() },
        Filter { from: Some(1), to: Some(2), min_bytes: Some(1), ..none() },
    ];
    let own = [
        Filter { format: text("png"), ..none() },
        Filter { visibility: Some(Visibility::Private), ..none() },
        Filter { format: text("png"), visibility: Some(Visibility::Private), from: Some(1), ..none() },
        Filter { query: text("cat"), ..none() },
        Filter { query: text("cat sea ca*"), format: text("png"), ..none() },
        Filter { query: text("ca*"), ..none() },
        Filter { tag: text("sea"), ..none() },
        Filter { tag: text("sea"), query: text("cat"), min_bytes: Some(1), ..none() },
        Filter { album: Some(album.id.clone()), ..none() },
        Filter { album: Some(album.id), tag: text("sea"), from: Some(1), ..none() },
    ];
    for reach in [Reach::Owner(ME), Reach::Everybody] {
        let filters = plain.iter().chain(own.iter().filter(|_| reach != Reach::Everybody));
        for (filter, sort) in filters.flat_map(|filter| Sort::ALL.map(|sort| (filter, sort))) {
            let narrow = reach == Reach::Everybody && sort == Sort::Name;
            if narrow || sort == Sort::Album && filter.album.is_none() {
                continue;
            }
            for trash in [false, true] {
                let listing = Listing { reach, sort, filter: filter.clone(), trash, ..listing() };
                for many in [false, true] {
                    every_plan(&library, &listing, many).await;
                }
            }
        }
    }
}

/// `many`: as if so many met each condition that they cannot be sorted.
async fn every_plan(library: &Library, listing: &Listing, many: bool) {
    let mut parts = library.parts(listing).await.unwrap().unwrap();
    if many {
        parts.iter_mut().for_each(Part::is_met_often);
    }
    for expired in [Expired::Keys(vec![4, 5]), Expired::Upto(1)] {
        for (query, sorts) in
            [(keys(listing, &parts, &expired), true), (counted(listing, &parts, &expired), false)]
        {
            // The few that lead are sorted, and what an album holds, which is by its own order only.
            let may_sort = sorts && (!many && !parts.is_empty()) || listing.filter.album.is_some();
            let slow = crate::db::testing::slow_plan(&library.db, &query, may_sort).await;
            assert_eq!(slow, None, "{listing:?} {many}\n{}", query.sql());
        }
    }
}

#[tokio::test]
async fn names_from_before_there_were_words_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let first = library(dir.path()).await;
    first.insert(&mine(1, "cat")).await.unwrap();
    first.db.execute("DELETE FROM image_terms", &[]).await.unwrap();
    first.db.execute("UPDATE counters SET value = 0 WHERE name = 'image_terms'", &[]).await.unwrap();
    let (one, two) = tokio::join!(library(dir.path()), library(dir.path()));
    let searched = Filter { query: Some("cat".to_owned()), ..Filter::default() };
    let listing = Listing { filter: searched, ..listing() };
    for library in [one, two] {
        assert_eq!(library.page(&listing, now_ms()).await.unwrap().images.len(), 1);
    }
    let uses = first.db.row("SELECT MAX(uses) AS most FROM image_terms", &[]).await.unwrap().unwrap();
    assert_eq!(uses.int("most").unwrap(), 1);
}
