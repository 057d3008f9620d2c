//! Taking a library in: its people, their albums, then its pictures one by one. Each picture is noted once all that
//! belongs to it is here, so what was broken off goes on where it was, and what came in once does not come again.

mod picture;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};

use super::files::Files;
use super::model::{Catalogue, Collection, Person};
use super::origin::{Item, Origin};
use super::system::Terms;
use super::{Kind, MigrateError};
use crate::accounts::{Accounts, Newcomer, Quota, Role};
use crate::library::{AlbumEdit, Image, ImageId, Note, Reach};
use crate::source::Source;
use crate::upload::{Owner, Uploads};

/// What is taken in.
pub enum Intake {
    /// A folder of files, an export, or a database with the folders of its files: the first is for storages that have
    /// none of their own.
    Path {
        kind: Kind,
        path: PathBuf,
        files: Vec<(Option<String>, Files)>,
    },
    Bucket {
        source: Source,
        prefix: String,
    },
}

/// How it is taken in.
#[derive(Debug, Clone)]
pub struct Options {
    /// To whom everything goes, instead of to accounts of the same people.
    pub owner: Option<Owner>,
    /// Administrators there are administrators here.
    pub keep_roles: bool,
    /// People may have here what they might have there, and no more than what they may have here is taken in.
    pub quotas: bool,
    /// What was called private there, although it was shown to everybody who knew where, is private here.
    pub hide_unlisted: bool,
    /// Folders become albums.
    pub albums: bool,
    /// Nothing is changed; what would come in is counted.
    pub dry_run: bool,
    /// What old paths begin with.
    pub old_prefix: Option<String>,
    /// What names of tables begin with.
    pub table_prefix: Option<String>,
    pub zone: TimeZone,
}

/// Told of each thing as it is done.
pub enum Event<'a> {
    Picture {
        label: &'a str,
        outcome: &'a Outcome,
    },
    /// Something about an account or an album.
    Note {
        about: &'a str,
        text: String,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Added(Box<Image>),
    /// It was in the library already.
    Known(Box<Image>),
    /// It would come in, as far as can be seen without reading it.
    Would,
    /// Why it was not taken in, where that was to be expected.
    Skipped(String),
    /// The same of a picture that should have come in.
    Failed(String),
}

/// How far an import is, or came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    pub added: u64,
    pub known: u64,
    pub skipped: u64,
    pub failed: u64,
    pub accounts_added: u64,
    pub accounts_known: u64,
    pub albums_added: u64,
    pub albums_known: u64,
    pub old_paths_added: u64,
    /// Why pictures were left out, and how many for that reason.
    pub reasons: BTreeMap<String, u64>,
}

/// The use case; made for one import.
pub struct Importer<'a> {
    uploads: Uploads,
    accounts: Accounts,
    options: Options,
    summary: &'a mut Summary,
    tell: &'a mut (dyn FnMut(Event<'_>) + Send),
    clock: fn() -> i64,
    site: String,
    people: HashMap<String, Owner>,
    /// By key: the album's id here and whose it is.
    albums: HashMap<String, (String, Option<i64>)>,
    /// By the ids that pictures brought along: those that they have here instead.
    ids: HashMap<String, ImageId>,
    /// Albums that something was put into.
    touched: HashSet<String>,
    notes: Vec<Note>,
}

impl<'a> Importer<'a> {
    pub fn new(
        uploads: Uploads,
        accounts: Accounts,
        options: Options,
        summary: &'a mut Summary,
        tell: &'a mut (dyn FnMut(Event<'_>) + Send),
        clock: fn() -> i64,
    ) -> Self {
        Self {
            uploads,
            accounts,
            options,
            summary,
            tell,
            clock,
            site: String::new(),
            people: HashMap::new(),
            albums: HashMap::new(),
            ids: HashMap::new(),
            touched: HashSet::new(),
            notes: Vec::new(),
        }
    }

    /// A full disk or a lost database ends it, and what came in before stays.
    pub async fn run(mut self, from: Intake) -> Result<(), MigrateError> {
        let (origin, kind, mut places) = self.open(from).await?;
        self.site = format!("{kind}\n{}", origin.site());
        if origin.is_kept_up() {
            // Another wish is looked at anew.
            self.site.push_str(&format!("\n{} {:?}", self.options.albums, self.options.old_prefix));
        }
        let terms = Terms { zone: self.options.zone.clone(), old_prefix: self.options.old_prefix.clone() };
        if let Some(files) = origin.files().await? {
            places.push((None, files));
        }
        if places.is_empty() {
            let text = format!("`--files` is needed: the folder that holds the pictures of {kind}");
            return Err(MigrateError::Usage(text));
        }
        let catalogue = origin.catalogue(&terms).await?;
        if self.options.owner.is_none() {
            self.people(&catalogue).await?;
        }
        self.albums(&catalogue).await?;
        let mut pictures = origin.pictures().await?;
        while let Some(item) = pictures.next(&terms, &catalogue).await? {
            match item {
                Item::Picture(picture) => {
                    let outcome = self.picture(&picture, &places, origin.is_kept_up()).await?;
                    self.done(&picture.label, &outcome);
                }
                Item::Neither { label, why, is_fault: true } => self.done(&label, &Outcome::Failed(why)),
                Item::Neither { label, why, is_fault: false } => self.done(&label, &Outcome::Skipped(why)),
            }
            if self.notes.len() >= NOTES_AT_ONCE {
                self.write_down().await?;
            }
        }
        self.write_down().await?;
        self.finish_albums(&catalogue).await
    }

    async fn open(&self, from: Intake) -> Result<(Origin, Kind, Vec<(Option<String>, Files)>), MigrateError> {
        let (albums, prefix) = (self.options.albums, self.options.table_prefix.as_deref());
        Ok(match from {
            Intake::Bucket { source, prefix } => {
                (Origin::Bucket { source, prefix, albums }, Kind::Bucket, vec![])
            }
            Intake::Path { kind: Kind::Folder, path, .. } => {
                (Origin::folder(&path, albums), Kind::Folder, vec![])
            }
            Intake::Path { kind: Kind::Pixedge, path, .. } => {
                (Origin::Export { folder: path }, Kind::Pixedge, vec![])
            }
            Intake::Path { kind, path, files } => (Origin::database(&path, kind, prefix).await?, kind, files),
        })
    }

    async fn people(&mut self, catalogue: &Catalogue) -> Result<(), MigrateError> {
        for (key, person) in &catalogue.people {
            let newcomer = self.newcomer(person);
            let user = if self.options.dry_run {
                let Some(user) = self.accounts.find_settled(&newcomer).await? else {
                    self.summary.accounts_added += 1;
                    continue;
                };
                self.summary.accounts_known += 1;
                user
            } else {
                let settled = self.accounts.settle(&newcomer, (self.clock)()).await?;
                let name = settled.user.name.clone();
                let mut note = |text: String| (self.tell)(Event::Note { about: &name, text });
                if !settled.is_new {
                    note("the account was here already, and stays as it is".to_owned());
                    self.summary.accounts_known += 1;
                } else {
                    self.summary.accounts_added += 1;
                    if let Some(why) = settled.locked {
                        note(format!("has no password here ({why}); set one with `pixedge user passwd`"));
                    }
                    if !person.name.is_empty() && !name.eq_ignore_ascii_case(person.name.trim()) {
                        note(format!("was called `{}`", plain(&person.name)));
                    }
                }
                settled.user
            };
            let quota = Quota { bytes: user.quota_bytes, files: user.quota_files };
            let quota = if self.options.quotas { quota } else { Quota::default() };
            self.people.insert(key.clone(), Owner::new(user.pk, quota));
        }
        Ok(())
    }

    fn newcomer<'p>(&self, person: &'p Person) -> Newcomer<'p> {
        let role = person.role.parse().unwrap_or(Role::User);
        let quota = Quota { bytes: person.quota_bytes, files: person.quota_files };
        Newcomer {
            name: &person.name,
            email: person.email.as_deref(),
            password_hash: person.password_hash.as_deref(),
            // Who made the dump does not say who administrates here.
            role: if role == Role::Admin && !self.options.keep_roles { Role::User } else { role },
            disabled: person.disabled,
            quota: if self.options.quotas { quota } else { Quota::default() },
            created_at: person.created_at,
        }
    }

    async fn albums(&mut self, catalogue: &Catalogue) -> Result<(), MigrateError> {
        for (key, album) in &catalogue.albums {
            let owner = self.owner_of(album.owner.as_deref());
            if owner.is_none() && self.options.dry_run {
                self.summary.albums_added += 1;
                continue;
            }
            let owner = owner.unwrap_or_default().pk;
            self.album(key, &album.name, owner, album.created_at).await?;
        }
        Ok(())
    }

    /// The album of this key; made where there is none yet.
    async fn album(
        &mut self,
        key: &str,
        name: &str,
        owner: Option<i64>,
        created_at: Option<i64>,
    ) -> Result<(), MigrateError> {
        let library = self.uploads.library();
        let mark = format!("{owner:?} {name} {created_at:?}");
        let origin = self.origin("album", key, &mark);
        let id = match library.imported_album(&origin).await? {
            Some(id) => {
                self.summary.albums_known += 1;
                id
            }
            None => {
                self.summary.albums_added += 1;
                if self.options.dry_run {
                    return Ok(());
                }
                let (name, now) = (named(name), (self.clock)());
                let at = created_at.filter(|at| *at <= now).unwrap_or(now);
                library.import_album(owner.unwrap_or(0), &name, &origin, at).await?
            }
        };
        self.albums.insert(key.to_owned(), (id, owner));
        Ok(())
    }

    /// Whose something is here; `None` = somebody's who has no account here.
    fn owner_of(&self, key: Option<&str>) -> Option<Owner> {
        match (self.options.owner, key) {
            (Some(owner), _) => Some(owner),
            (None, None) => Some(Owner::default()),
            (None, Some(key)) => self.people.get(key).copied(),
        }
    }

    /// What tells this thing from all others, wherever they came from.
    fn origin(&self, what: &str, key: &str, mark: &str) -> String {
        let text = format!("{}\n{what}\n{key}\n{mark}", self.site);
        Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn done(&mut self, label: &str, outcome: &Outcome) {
        let summary = &mut *self.summary;
        let why = match outcome {
            Outcome::Added(_) | Outcome::Would => {
                summary.added += 1;
                None
            }
            Outcome::Known(_) => {
                summary.known += 1;
                None
            }
            Outcome::Skipped(why) => {
                summary.skipped += 1;
                Some(why)
            }
            Outcome::Failed(why) => {
                summary.failed += 1;
                Some(why)
            }
        };
        if let Some(why) = why {
            let known = summary.reasons.len() < MOST_REASONS || summary.reasons.contains_key(why);
            *summary.reasons.entry(if known { why.clone() } else { "others".to_owned() }).or_default() += 1;
        }
        (self.tell)(Event::Picture { label, outcome });
    }

    /// Notes what has come in since the last time. Lost notes cost another look at the files, and nothing else.
    async fn write_down(&mut self) -> Result<(), MigrateError> {
        let notes = std::mem::take(&mut self.notes);
        self.summary.old_paths_added += self.uploads.library().note_imported(&notes, (self.clock)()).await?;
        Ok(())
    }

    /// The order of albums and what stands for them, once their pictures are here.
    async fn finish_albums(&self, catalogue: &Catalogue) -> Result<(), MigrateError> {
        if self.options.dry_run {
            return Ok(());
        }
        let (library, now) = (self.uploads.library(), (self.clock)());
        let touched = catalogue.albums.iter().filter(|(key, _)| self.touched.contains(*key));
        for (key, Collection { order, cover, .. }) in touched {
            let Some((id, _)) = self.albums.get(key) else { continue };
            let here = |key: &String| self.ids.get(key).cloned().or_else(|| key.parse().ok());
            let order: Vec<ImageId> = order.iter().filter_map(here).collect();
            // Those that are another's here were not put into it.
            let inside: HashSet<String> = library.album_order(id).await?.into_iter().collect();
            let order: Vec<ImageId> =
                order.into_iter().filter(|image| inside.contains(image.as_str())).collect();
            library.order_album(id, &order, now).await?;
            if let Some(cover) = cover.as_ref().and_then(here).filter(|id| inside.contains(id.as_str())) {
                let edit = AlbumEdit { cover: Some(Some(cover.to_string())), ..AlbumEdit::default() };
                library.edit_album(Reach::Everybody, id, &edit, now).await?;
            }
        }
        Ok(())
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            owner: None,
            keep_roles: false,
            quotas: false,
            hide_unlisted: false,
            albums: false,
            dry_run: false,
            old_prefix: None,
            table_prefix: None,
            zone: TimeZone::UTC,
        }
    }
}

/// A name of an album, whatever it was elsewhere.
fn named(name: &str) -> String {
    let name: String = plain(name).chars().take(255).collect();
    match name.trim() {
        "" => "Album".to_owned(),
        name => name.to_owned(),
    }
}

/// Without what would break a line.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// In one transaction: a crash makes as many pictures be looked at again.
const NOTES_AT_ONCE: usize = 50;
const MOST_REASONS: usize = 50;
