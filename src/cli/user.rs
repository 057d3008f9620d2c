//! `pixedge user …`: accounts by whoever may read the data folder, for the first one and for a lost password.

use std::io::{BufRead, IsTerminal};

use clap::Subcommand;

use crate::accounts::{NewUser, Role, User, WordError, random_password};
use crate::app;
use crate::cli::{Failure, runtime};
use crate::config::Config;
use crate::db::now_ms;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make an account. The password is the first line of standard input; at a terminal one is made, and stands alone
    /// on the last line
    ///
    /// Example: pixedge user create ana --role admin
    Create {
        #[arg(value_name = "NAME")]
        name: String,
        /// admin | user | guest
        #[arg(long, default_value = "user", value_parser = role)]
        role: Role,
        #[arg(long)]
        email: Option<String>,
    },
    /// Give an account another password, as with `create`; all its sessions end
    Passwd {
        /// The name or the e-mail address
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Print all accounts, one a line: id, role, name, e-mail address
    List,
}

pub(super) fn run(config: &Config, command: &Command) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let accounts = app::accounts(config).await?;
        match command {
            Command::Create { name, role, email } => {
                let password = Password::read()?;
                let new = NewUser { name, email: email.as_deref(), password: Some(&password.text) };
                let user = accounts.create_user(&new, *role, now_ms()).await?;
                password.tell(&user);
            }
            Command::Passwd { name } => {
                let user = accounts.user_by_login(name).await?;
                let password = Password::read()?;
                accounts.set_password(user.pk, &password.text, now_ms()).await?;
                password.tell(&user);
            }
            Command::List => {
                let mut after = 0;
                loop {
                    let users = accounts.users(after, 1000).await?;
                    let Some(last) = users.last() else { break };
                    after = last.pk;
                    users.iter().for_each(print);
                }
            }
        }
        Ok(())
    })
}

/// What was typed in or made up.
struct Password {
    text: String,
    made: bool,
}

impl Password {
    fn read() -> Result<Self, Failure> {
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            return Ok(Self { text: random_password()?, made: true });
        }
        let mut text = String::new();
        stdin.lock().read_line(&mut text)?;
        let text = text.trim_end_matches(['\r', '\n']).to_owned();
        if text.is_empty() {
            return Err(Failure::usage("standard input is empty: give the password as its first line"));
        }
        Ok(Self { text, made: false })
    }

    fn tell(&self, user: &User) {
        eprintln!("{} {} ({})", user.role, user.name, user.id);
        println!("{}", if self.made { &self.text } else { &user.id });
    }
}

fn print(user: &User) {
    let email = user.email.as_deref().unwrap_or("-");
    let state = if user.disabled_at.is_some() { " disabled" } else { "" };
    println!("{} {} {} {email}{state}", user.id, user.role, user.name);
}

fn role(text: &str) -> Result<Role, WordError> {
    text.parse()
}
