use super::*;
use crate::library::store::list::{Part, counted, keys};
use crate::library::words::Wanted;

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

/// Every statement of a list is led by an index, and none sorts more than it counted before.
#[tokio::test]
async fn every_list_is_read_from_an_index() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    library.insert(&mine(1, "cat")).await.unwrap();
    let sqlite = crate::db::testing::is_sqlite(&library.db);
    let plan = async |query: &crate::db::Query| {
        let sql: &'static str = format!("EXPLAIN QUERY PLAN {}", query.sql()).leak();
        let rows = library.db.rows(sql, query.values()).await.unwrap();
        rows.iter().map(|row| row.text("detail").unwrap()).collect::<Vec<_>>()
    };
    let filters = |reach| {
        let mut filters = vec![
            Filter::default(),
            Filter { from: Some(1), to: Some(2), ..Filter::default() },
            Filter { min_bytes: Some(1), max_bytes: Some(2), ..Filter::default() },
        ];
        if reach != Reach::Everybody {
            filters.push(Filter { format: Some("png".to_owned()), ..Filter::default() });
            filters.push(Filter { visibility: Some(Visibility::Private), ..Filter::default() });
        }
        filters
    };
    for reach in [Reach::Owner(ME), Reach::Everybody] {
        for sort in [Sort::Newest, Sort::Oldest, Sort::Name, Sort::Size, Sort::Views] {
            if reach == Reach::Everybody && sort == Sort::Name {
                continue;
            }
            for filter in filters(reach) {
                for trash in [false, true] {
                    let listing = Listing { reach, sort, filter: filter.clone(), trash, ..listing() };
                    for query in [keys(&listing, &[], 1), counted(&listing, &[], 1)] {
                        if !sqlite {
                            // Filters may need a sort; what has none may not.
                            if filter == Filter::default() {
                                crate::db::testing::plan_uses_index(&library.db, &query).await;
                            }
                            continue;
                        }
                        let plan = plan(&query).await;
                        assert!(
                            plan.iter().any(|line| line.contains("USING") && line.contains("INDEX")),
                            "{plan:?}"
                        );
                        assert!(
                            !plan.iter().any(|line| line.starts_with("SCAN images")),
                            "{plan:?} {listing:?}"
                        );
                        let sorts = plan.iter().any(|line| line.contains("TEMP B-TREE"));
                        assert!(!sorts || filter != Filter::default(), "{plan:?} {listing:?}");
                    }
                }
            }
        }
    }
    if !sqlite {
        return;
    }
    let word = Part::of_term(&library.db, ME, Wanted::Term("cat".to_owned())).await.unwrap();
    for sort in [Sort::Newest, Sort::Oldest] {
        let plan = plan(&keys(&Listing { sort, ..listing() }, std::slice::from_ref(&word), 1)).await;
        assert!(plan[0].starts_with("SEARCH led"), "{plan:?}");
        assert!(!plan.iter().any(|line| line.contains("TEMP B-TREE")), "{plan:?}");
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
