//! The two pools of each engine, and what all that are reached over a network share.
//!
//! Reads and writes have pools of their own: one transaction writes at a time, and writers that wait in our queue are
//! served in order, whereas those that meet in the database poll or hold connections while they wait.

use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::pool::PoolOptions;
use sqlx::{ConnectOptions, Connection, Database, MySql, Pool, Postgres, Sqlite};

use super::{DbError, Engine};

pub(super) const READ_WAIT: Duration = Duration::from_secs(5);
pub(super) const WRITE_WAIT: Duration = Duration::from_secs(15);
/// The longest list takes far less; a server that has said nothing by then is taken to be gone.
pub(super) const READ_ANSWER: Duration = Duration::from_secs(10);
/// Servers end by themselves what waits for the lock for longer than a writer waits here.
pub(super) const LOCK_ANSWER: Duration = Duration::from_secs(25);
/// PostgreSQL ends by itself what takes a minute.
pub(super) const STATEMENT: Duration = Duration::from_secs(65);

/// A server has 100 connections by default (PostgreSQL) and several nodes may share it.
const READERS: u32 = 8;
/// Within this time a connection that worked is taken to work still.
const FRESH: Duration = Duration::from_millis(500);
/// Long enough for a server that is busy, short enough that there is time left to connect anew.
const PING: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub(super) enum Pools {
    Sqlite(Pair<Sqlite>),
    Postgres(Pair<Postgres>),
    Mysql(Pair<MySql>, Engine),
}

pub(super) struct Pair<D: Database> {
    pub(super) readers: Pool<D>,
    pub(super) writer: Pool<D>,
}

impl<D: Database> Clone for Pair<D> {
    fn clone(&self) -> Self {
        Self { readers: self.readers.clone(), writer: self.writer.clone() }
    }
}

impl Pools {
    pub(super) fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
            Self::Mysql(_, engine) => *engine,
        }
    }
}

/// What `prepared` says of a server that is too old.
pub(super) type Suits = Result<(), &'static str>;

/// Connects to a server; `prepared` has its way with every connection first.
pub(super) async fn connect<D>(
    options: <D::Connection as Connection>::Options,
    prepared: impl for<'c> Fn(&'c mut D::Connection) -> BoxFuture<'c, Result<Suits, sqlx::Error>>
    + Clone
    + Send
    + Sync
    + 'static,
) -> Result<Pair<D>, DbError>
where
    D: Database,
{
    // By itself first: a pool would try for its whole time and then say only that it took too long.
    let mut first = first::<D>(&options).await.map_err(DbError::Unreachable)?;
    let suits = tokio::time::timeout(READ_ANSWER, prepared(&mut first)).await.map_err(DbError::Silent)?;
    suits?.map_err(|needed| DbError::TooOld { needed })?;
    first.close().await?;
    let pool = |most, wait| {
        let prepared = prepared.clone();
        PoolOptions::<D>::new()
            .max_connections(most)
            .acquire_timeout(wait)
            .idle_timeout(Duration::from_secs(60))
            .test_before_acquire(false)
            .before_acquire(|connection, seen| {
                Box::pin(async move {
                    if seen.idle_for < FRESH {
                        return Ok(true);
                    }
                    let answer = tokio::time::timeout(PING, connection.ping()).await;
                    // An error, so that no good-bye is said to who does not answer.
                    Ok(answer.map_err(|_| timed_out())?.is_ok())
                })
            })
            .after_connect(move |connection, _| {
                let prepared = prepared(connection);
                Box::pin(async move { prepared.await.map(|_| ()) })
            })
            .connect_lazy_with(options.clone())
    };
    Ok(Pair { readers: pool(READERS, READ_WAIT), writer: pool(1, WRITE_WAIT) })
}

/// Services that are started together are not there together.
async fn first<D: Database>(
    options: &<D::Connection as Connection>::Options,
) -> Result<D::Connection, sqlx::Error> {
    let begun = tokio::time::Instant::now();
    loop {
        match tokio::time::timeout(WRITE_WAIT, options.connect()).await {
            Ok(Err(sqlx::Error::Io(_))) if begun.elapsed() < WRITE_WAIT => {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Ok(done) => return done,
            Err(_) => return Err(timed_out()),
        }
    }
}

fn timed_out() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}
