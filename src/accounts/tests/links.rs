//! Links and invitations that work once.

use super::*;

const ROOT: NewUser<'static> = NewUser { name: "root", email: None, password: Some(PASSWORD) };

#[tokio::test]
async fn the_first_administrator_comes_by_a_link_that_works_once() {
    let house = House::new(Registration::Closed).await;
    let accounts = &house.accounts;
    let old = accounts.set_up_token(NOW).await.unwrap().unwrap();
    let link = accounts.set_up_token(NOW).await.unwrap().unwrap();
    refused(accounts.set_up(old.expose(), &ROOT, NOW).await, "bad_link");
    refused(accounts.set_up("wrong", &ROOT, NOW).await, "bad_link");
    refused(accounts.set_up(link.expose(), &ROOT, NOW + 24 * HOUR).await, "bad_link");
    let bare = NewUser { password: None, ..ROOT };
    refused(accounts.set_up(link.expose(), &bare, NOW).await, "bad_value");
    let signed = accounts.set_up(link.expose(), &ROOT, NOW).await.unwrap();
    assert_eq!(signed.user.role, Role::Admin);
    accounts.authenticate(&signed.access, NOW).await.unwrap().needs(Scope::Admin).unwrap();
    let again = NewUser { name: "again", ..ROOT };
    refused(accounts.set_up(link.expose(), &again, NOW).await, "bad_link");
    assert!(accounts.set_up_token(NOW).await.unwrap().is_none());
}

#[tokio::test]
async fn a_set_up_link_is_dead_once_there_is_a_user() {
    let house = House::new(Registration::Closed).await;
    let link = house.accounts.set_up_token(NOW).await.unwrap().unwrap();
    house.user("ana", Role::User).await;
    refused(house.accounts.set_up(link.expose(), &ROOT, NOW).await, "bad_link");
}

#[tokio::test]
async fn registration_is_closed_or_by_invitation() {
    let closed = House::new(Registration::Closed).await;
    refused(closed.accounts.register(&ROOT, None, NOW).await, "registration_closed");

    let house = House::new(Registration::Invite).await;
    let accounts = &house.accounts;
    let lasts = Duration::from_secs(3600);
    let invite = accounts.invite(None, Role::Guest, lasts, NOW).await.unwrap();
    let token = invite.token.expose();
    refused(accounts.register(&ROOT, None, NOW).await, "bad_invite");
    refused(accounts.register(&ROOT, Some("wrong"), NOW).await, "bad_invite");
    refused(accounts.register(&ROOT, Some(token), NOW + HOUR).await, "bad_invite");
    house.user("taken", Role::User).await;
    let taken = NewUser { name: "taken", ..ROOT };
    refused(accounts.register(&taken, Some(token), NOW).await, "name_taken");
    let signed = accounts.register(&ROOT, Some(token), NOW).await.unwrap();
    assert_eq!(signed.user.role, Role::Guest, "a name that was taken used nothing up");
    let next = NewUser { name: "next", ..ROOT };
    refused(accounts.register(&next, Some(token), NOW).await, "bad_invite");
}

#[tokio::test]
async fn one_invitation_lets_one_in_however_many_come_at_once() {
    let house = House::new(Registration::Invite).await;
    let invite = house.accounts.invite(None, Role::User, Duration::from_secs(3600), NOW).await.unwrap();
    let names: Vec<String> = (0..8).map(|number| format!("user{number}")).collect();
    let all = names.iter().map(async |name| {
        let new = NewUser { name, ..ROOT };
        house.accounts.register(&new, Some(invite.token.expose()), NOW).await
    });
    let came = futures_util::future::join_all(all).await.into_iter().filter(Result::is_ok).count();
    assert_eq!(came, 1);
}

#[tokio::test]
async fn recovery_sets_a_password_once_and_ends_what_was_open() {
    let house = House::new(Registration::Closed).await;
    let accounts = &house.accounts;
    house.user("ana", Role::User).await;
    let signed = house.login("ana", PASSWORD, "1.1.1.1", NOW).await.unwrap();
    assert!(accounts.ask_recovery("nobody@example.com", NOW).await.unwrap().is_none());
    refused(accounts.ask_recovery("no address", NOW).await, "bad_value");
    let (_, old) = accounts.ask_recovery("Ana@example.com", NOW).await.unwrap().unwrap();
    let (user, link) = accounts.ask_recovery("Ana@example.com", NOW).await.unwrap().unwrap();
    let deletion = accounts.ask_deletion(user.pk, NOW).await.unwrap();
    // The page behind the link may be opened by anything that reads mails.
    for _ in 0..2 {
        assert_eq!(accounts.recovery(link.expose(), NOW).await.unwrap().pk, user.pk);
    }
    refused(accounts.recovery(old.expose(), NOW).await, "bad_link");
    refused(accounts.deletion(link.expose(), NOW).await, "bad_link");
    refused(accounts.delete_by_link(link.expose(), NOW).await, "bad_link");
    refused(accounts.recover(link.expose(), "short", NOW).await, "bad_value");
    refused(accounts.recover(link.expose(), "other password", NOW + HOUR).await, "bad_link");
    accounts.recover(link.expose(), "other password", NOW).await.unwrap();
    refused(accounts.recover(link.expose(), "third password", NOW).await, "bad_link");
    refused(accounts.authenticate(&signed.access, NOW).await, "bad_token");
    refused(accounts.deletion(deletion.expose(), NOW).await, "bad_link");
    refused(house.login("ana", PASSWORD, "1.1.1.1", NOW).await, "wrong_password");
    house.login("ana", "other password", "1.1.1.1", NOW).await.unwrap();
}

#[tokio::test]
async fn a_deleted_account_leaves_nothing_that_opens() {
    let house = House::new(Registration::Closed).await;
    let accounts = &house.accounts;
    let ana = house.user("ana", Role::User).await;
    let signed = house.login("ana", PASSWORD, "1.1.1.1", NOW).await.unwrap();
    let who = accounts.authenticate(&signed.access, NOW).await.unwrap();
    let new = NewKey { name: "k", scopes: Scopes::of(&[Scope::Read]), expires_at: None };
    let (_, key) = accounts.create_key(&who, &new, NOW).await.unwrap();
    let link = accounts.ask_deletion(ana.pk, NOW).await.unwrap();
    assert_eq!(accounts.deletion(link.expose(), NOW).await.unwrap().pk, ana.pk);
    assert_eq!(accounts.delete_by_link(link.expose(), NOW).await.unwrap().pk, ana.pk);
    refused(accounts.authenticate(&signed.access, NOW).await, "bad_token");
    refused(accounts.authenticate(key.expose(), NOW).await, "bad_token");
    refused(accounts.refresh(signed.refresh.expose(), NOW).await, "bad_token");
    refused(accounts.delete_by_link(link.expose(), NOW).await, "bad_link");
    refused(house.login("ana", PASSWORD, "1.1.1.1", NOW).await, "wrong_password");
    house.user("ana", Role::User).await;
}

#[tokio::test]
async fn nobodys_mailbox_is_filled_and_nobody_hears_of_it() {
    let house = House::new(Registration::Open).await;
    let accounts = &house.accounts;
    let new = NewUser { name: "ana", email: Some("ana@example.org"), password: Some(PASSWORD) };
    let ana = accounts.register(&new, None, NOW).await.unwrap().user;
    let mails = async || {
        let sql = "SELECT COUNT(*) AS total FROM jobs WHERE kind = 'mail'";
        accounts.db.row(sql, &[]).await.unwrap().unwrap().int("total").unwrap()
    };
    for asked in 0..6 {
        accounts.mail_recovery("ana@example.org", "en", NOW + asked).await.unwrap();
        accounts.mail_recovery("nobody@example.org", "en", NOW + asked).await.unwrap();
        assert_eq!(mails().await, (asked + 1).min(3));
    }
    // Another kind, and another hour.
    accounts.mail_deletion(ana.pk, "en", NOW + 7).await.unwrap();
    accounts.mail_recovery("ana@example.org", "en", NOW + HOUR + 6).await.unwrap();
    assert_eq!(mails().await, 5);
    for _ in 0..2 {
        accounts.mail_deletion(ana.pk, "en", NOW + 8).await.unwrap();
    }
    refused(accounts.mail_deletion(ana.pk, "en", NOW + 9).await, "too_many_attempts");
}
