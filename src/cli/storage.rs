//! `pixedge storage …`: what storages there are, whether they work, and moving pictures between them.

use clap::Subcommand;

use crate::app;
use crate::cli::{Failure, runtime};
use crate::config::Config;
use crate::db::now_ms;
use crate::library::{Library, OwnedStorage, Relocated, Relocation};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print all storages, one a line: name, kind, images. Those of users begin with `~`
    List,
    /// Write, read and delete a small object, and say what is wrong; without a name in all storages of the configuration
    Test {
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
    /// Move pictures from one storage to another, while the server runs; can be stopped and begun again at any time
    ///
    /// Example: pixedge storage migrate --from local --to bucket
    Migrate {
        #[arg(long, value_name = "NAME")]
        from: String,
        #[arg(long, value_name = "NAME")]
        to: String,
        /// Only this user's pictures, by name or e-mail address
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
}

pub(super) fn run(config: &Config, command: &Command) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let library = app::pictures(config).await?;
        match command {
            Command::List => list(&library).await,
            Command::Test { name } => test(&library, name.as_deref()).await,
            Command::Migrate { from, to, user } => {
                let owner = match user {
                    Some(user) => Some(app::accounts(config).await?.user_by_login(user).await?.pk),
                    None => None,
                };
                migrate(&library, &Relocation { from: from.clone(), to: to.clone(), owner }).await
            }
        }
    })
}

async fn list(library: &Library) -> Result<(), Failure> {
    let images = async |name: &str| {
        let plan = Relocation { from: name.to_owned(), to: String::new(), owner: None };
        library.to_relocate(&plan).await
    };
    for storage in library.storages().iter() {
        let default = if storage.name() == library.storages().default().name() { " default" } else { "" };
        println!("{} {} {} images{default}", storage.name(), storage.scheme(), images(storage.name()).await?);
    }
    for storage in library.all_owned_storages().await? {
        let OwnedStorage { label, settings, .. } = &storage;
        let (name, scheme) = (storage.name(), settings.scheme.name());
        println!("{name} {scheme} {} images, {} ({label})", images(&name).await?, settings.endpoint);
    }
    Ok(())
}

async fn test(library: &Library, name: Option<&str>) -> Result<(), Failure> {
    let storages = match name {
        Some(name) => vec![library.storage_named(name).await?],
        None => library.storages().iter().cloned().collect(),
    };
    let mut failed = 0;
    for storage in storages {
        match storage.probe().await {
            Ok(()) => println!("{} works", storage.name()),
            Err(trouble) => {
                failed += 1;
                println!("{}: {trouble} [{}]", storage.name(), trouble.problem.code());
            }
        }
    }
    if failed == 0 { Ok(()) } else { Err(Failure { code: 1, text: format!("{failed} do not work") }) }
}

async fn migrate(library: &Library, plan: &Relocation) -> Result<(), Failure> {
    let mut told = std::time::Instant::now();
    let done = library
        .relocate(plan, now_ms, |done: &Relocated| {
            if told.elapsed().as_secs() >= 1 {
                told = std::time::Instant::now();
                eprintln!(
                    "{} images, {} versions, {} bytes moved; {} left",
                    done.images, done.versions, done.bytes, done.left
                );
            }
            true
        })
        .await?;
    for id in &done.failed {
        eprintln!("{id} stays where it is: its object is missing or damaged");
    }
    println!("{}", done.images);
    match done.failed.len() {
        0 => Ok(()),
        failed => Err(Failure { code: 1, text: format!("{failed} images could not be moved") }),
    }
}
