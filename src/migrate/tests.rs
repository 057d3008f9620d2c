//! Folders that are taken in, over a real database and storage; whole systems are tried with the binary.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;
use crate::accounts::{self, Accounts};
use crate::db::now_ms;
use crate::library::{Library, Page};
use crate::storage::{LOCAL, Storages};
use crate::upload::{self, Uploads};

struct House {
    uploads: Uploads,
    accounts: Accounts,
}

impl House {
    async fn new(data: &Path) -> Self {
        let db = crate::db::testing::open(data).await;
        let storages = Storages::open(&BTreeMap::new(), LOCAL, data, data).await.unwrap();
        let uploads =
            Uploads::new(Library::new(db.clone(), storages).await.unwrap(), upload::Config::default());
        let accounts = accounts::tests::over(db);
        Self { uploads, accounts }
    }

    async fn import(&self, dir: &Path, options: Options) -> Result<(Summary, Vec<String>), MigrateError> {
        let (mut summary, mut seen) = (Summary::default(), Vec::new());
        let mut tell = |event: Event<'_>| {
            let Event::Picture { label, outcome } = event else { return };
            let what = match outcome {
                Outcome::Added(image) => format!("added {}", image.name),
                Outcome::Known(image) => format!("known {}", image.name),
                Outcome::Would => "would".to_owned(),
                Outcome::Skipped(why) | Outcome::Failed(why) => format!("skipped: {why}"),
            };
            seen.push(format!("{label} {what}"));
        };
        let (uploads, accounts) = (self.uploads.clone(), self.accounts.clone());
        let importer = Importer::new(uploads, accounts, options, &mut summary, &mut tell, now_ms);
        let intake = Intake::Path { kind: Kind::Folder, path: dir.to_owned(), files: Vec::new() };
        importer.run(intake).await?;
        Ok((summary, seen))
    }
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&vec![9; (width * height) as usize]).unwrap();
    writer.finish().unwrap();
    bytes
}

fn counts(summary: &Summary) -> [u64; 4] {
    [summary.added, summary.known, summary.skipped, summary.failed]
}

#[tokio::test]
async fn a_folder_is_imported_once() {
    let (data, pictures) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (house, root) = (House::new(data.path()).await, pictures.path());
    std::fs::create_dir_all(root.join("b/c")).unwrap();
    std::fs::create_dir_all(root.join(".git")).unwrap();
    std::fs::write(root.join("a.png"), png(1, 1)).unwrap();
    std::fs::write(root.join("b/c/deep.png"), png(2, 1)).unwrap();
    std::fs::write(root.join("b/same.png"), png(1, 1)).unwrap();
    std::fs::write(root.join("wrong.jpg"), png(3, 1)).unwrap();
    std::fs::write(root.join("note.txt"), "no picture").unwrap();
    std::fs::write(root.join(".git/x.png"), png(4, 1)).unwrap();
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    std::fs::File::options().write(true).open(root.join("wrong.jpg")).unwrap().set_modified(old).unwrap();

    let dry = Options { dry_run: true, ..Options::default() };
    assert_eq!(counts(&house.import(root, dry).await.unwrap().0), [5, 0, 1, 0]);
    assert_eq!(house.uploads.library().count().await.unwrap(), 0);
    let (summary, seen) = house.import(root, Options::default()).await.unwrap();
    assert_eq!(
        seen,
        [
            ".git skipped: hidden",
            "a.png added a.png",
            "b/c/deep.png added deep.png",
            "b/same.png added same.png",
            "note.txt skipped: these bytes are not a picture in a format that is known here",
            "wrong.jpg added wrong.jpg",
        ]
    );
    assert_eq!(counts(&summary), [4, 0, 2, 0]);
    let library = house.uploads.library();
    let wrong = library.list(&Page { limit: 1, before: None }).await.unwrap().remove(0);
    assert_eq!((wrong.shape.format.as_str(), wrong.created_at), ("png", 1_700_000_000_000));

    assert_eq!(counts(&house.import(root, Options::default()).await.unwrap().0), [0, 4, 2, 0]);
    std::fs::write(root.join("a.png"), png(9, 9)).unwrap();
    assert_eq!(counts(&house.import(root, Options::default()).await.unwrap().0), [1, 3, 2, 0]);
    assert_eq!(library.count().await.unwrap(), 5);
    // What was deleted comes back, since it is wished to be here.
    library.trash(crate::library::Reach::Everybody, wrong.id.as_str(), now_ms()).await.unwrap();
    assert_eq!(counts(&house.import(root, Options::default()).await.unwrap().0), [0, 4, 2, 0]);
    assert_eq!(library.count().await.unwrap(), 5);

    // Folders become albums, and old addresses lead on.
    let more = Options { albums: true, old_prefix: Some("old/".to_owned()), ..Options::default() };
    std::fs::write(root.join("b/c/deep.png"), png(8, 8)).unwrap();
    let summary = house.import(root, more).await.unwrap().0;
    assert_eq!((counts(&summary), summary.albums_added, summary.old_paths_added), ([1, 3, 2, 0], 2, 4));
    library.poll().await.unwrap();
    assert!(library.moved("/old/b/c/deep.png").await.unwrap().is_some());
    let albums = library.albums(0, None, 9).await.unwrap().albums;
    let mut albums: Vec<_> = albums.iter().map(|album| (album.name.as_str(), album.images)).collect();
    albums.sort_unstable();
    assert_eq!(albums, [("b", 1), ("b/c", 1)]);
}

#[tokio::test]
async fn an_import_takes_nothing_from_outside_and_ends() {
    let (data, outer) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let house = House::new(data.path()).await;
    let root = outer.path().join("root");
    std::fs::create_dir_all(root.join("sub")).unwrap();
    std::fs::write(outer.path().join("outside.png"), png(1, 1)).unwrap();
    std::fs::write(root.join("sub/in.png"), png(2, 1)).unwrap();
    symlink("../outside.png", root.join("1.png")).unwrap();
    symlink("sub/in.png", root.join("2.png")).unwrap();
    symlink("..", root.join("sub/circle")).unwrap();
    symlink(outer.path(), root.join("up")).unwrap();
    symlink("nothing", root.join("z.png")).unwrap();
    let (summary, seen) = house.import(&root, Options::default()).await.unwrap();
    assert_eq!(
        seen,
        [
            "1.png skipped: a link that leads out of the folder, or to no file",
            "2.png added 2.png",
            "sub/circle skipped: a link to a folder",
            "sub/in.png added in.png",
            "up skipped: a link to a folder",
            "z.png skipped: a link that leads out of the folder, or to no file",
        ]
    );
    assert_eq!(counts(&summary), [2, 0, 4, 0]);
    assert!(house.import(&root.join("nowhere"), Options::default()).await.is_err());
}
