//! A connection that is out of its pool for as long as something is asked of it. What sqlx leaves open is closed here:
//! it bounds neither an answer nor the ping with which a connection goes back into its pool, so that each one that
//! meets a silent server would be a place less in the pool; and after a commit that failed it takes a transaction for
//! open that SQLite has rolled back, and lets nobody begin another one.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Database, Executor, MySql, Pool, Postgres, Sqlite};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::DbError;
use super::pools::READ_ANSWER;

/// See the module text.
pub(super) struct Held<D: Talk> {
    /// There until it is dropped.
    connection: Option<PoolConnection<D>>,
    /// How long an answer may take.
    patience: Duration,
    /// Whether there may be a transaction to be rolled back.
    open: bool,
    silent: bool,
}

/// An engine that takes words as they are.
pub(super) trait Talk: Database {
    fn say<'c>(
        connection: &'c mut Self::Connection,
        sql: &'static str,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send + 'c;
}

/// The server has had its time; then the connection is closed.
const WAY_BACK: Duration = Duration::from_secs(5);

impl<D: Talk> Held<D> {
    /// For what is asked once.
    pub(super) async fn to_read(pool: &Pool<D>) -> Result<Self, DbError> {
        let mut connection = pool.acquire().await?;
        // Whatever comes in between: that has a bound, which going back has not.
        connection.close_on_drop();
        Ok(Self { connection: Some(connection), patience: READ_ANSWER, open: false, silent: false })
    }

    /// With a transaction that ends when this is dropped, unless it was committed.
    pub(super) async fn to_write(
        pool: &Pool<D>,
        begin: &'static str,
        patience: Duration,
    ) -> Result<Self, DbError> {
        let mut held = Self::to_read(pool).await?.with_patience(patience);
        // Before it is known: a call that is dropped half-way may have begun it.
        held.open = true;
        held.say(begin).await?;
        Ok(held)
    }

    #[must_use]
    pub(super) fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    pub(super) async fn say(&mut self, sql: &'static str) -> Result<(), DbError> {
        let answer = timeout(self.patience, D::say(self, sql)).await;
        self.heard(answer)
    }

    pub(super) async fn commit(mut self) -> Result<(), DbError> {
        self.say("COMMIT").await?;
        self.open = false;
        Ok(())
    }

    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// What was answered. Whoever says nothing is asked nothing more.
    pub(super) fn heard<T>(&mut self, answer: Result<Result<T, sqlx::Error>, Elapsed>) -> Result<T, DbError> {
        self.silent = answer.is_err();
        Ok(answer.map_err(DbError::Silent)??)
    }
}

impl<D: Talk> Deref for Held<D> {
    type Target = D::Connection;

    fn deref(&self) -> &D::Connection {
        self.connection.as_ref().expect("it is there until it is dropped")
    }
}

impl<D: Talk> DerefMut for Held<D> {
    fn deref_mut(&mut self) -> &mut D::Connection {
        self.connection.as_mut().expect("it is there until it is dropped")
    }
}

impl<D: Talk> Drop for Held<D> {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let runtime = tokio::runtime::Handle::try_current();
        let (Ok(runtime), false) = (runtime, self.silent) else {
            // Closed without a word, and its place in the pool is free.
            drop(connection.detach());
            return;
        };
        let open = self.open;
        runtime.spawn(timeout(WAY_BACK, async move {
            // Where there is nothing to roll back any more, a connection whose state is not known goes.
            if !open || D::say(&mut connection, "ROLLBACK").await.is_ok() {
                connection.return_to_pool().await;
            }
        }));
    }
}

macro_rules! talks {
    ($($database:ty),*) => {$(
        impl Talk for $database {
            async fn say(connection: &mut Self::Connection, sql: &'static str) -> Result<(), sqlx::Error> {
                connection.execute(sql).await.map(|_| ())
            }
        }
    )*};
}

talks!(Sqlite, Postgres, MySql);
