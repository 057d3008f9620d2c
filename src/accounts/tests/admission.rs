//! Who is let in, and what guessing costs.

use super::*;

#[tokio::test]
async fn unknown_users_wrong_passwords_and_accounts_without_one_are_one_answer_for_one_work() {
    let house = House::new(Registration::Closed).await;
    house.user("ana", Role::User).await;
    let bare = NewUser { name: "bare", ..NewUser::default() };
    house.accounts.create_user(&bare, Role::User, NOW).await.unwrap();
    let off = house.user("off", Role::User).await;
    house.accounts.set_disabled(off.pk, true, NOW).await.unwrap();
    let mut texts = Vec::new();
    for (name, password) in
        [("ana", "wrong password"), ("nobody", PASSWORD), ("bare", ""), ("off", PASSWORD), ("no@body", "x")]
    {
        let before = house.verified();
        let error = refused(house.login(name, password, "1.1.1.1", NOW).await, "wrong_password");
        assert_eq!(house.verified(), before + 1, "{name}");
        assert_eq!(error.kind(), Kind::Unauthorized);
        texts.push((error.message().into_owned(), error.detail()));
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
}

#[tokio::test]
async fn guessing_waits_longer_each_time_and_elsewhere_nobody_waits() {
    let house = House::new(Registration::Closed).await;
    house.user("ana", Role::User).await;
    // A name that exists and one that does not are treated alike.
    for name in ["ana", "nobody"] {
        for _ in 0..5 {
            refused(house.login(name, "guess", "6.6.6.6", NOW).await, "wrong_password");
        }
        let before = house.verified();
        let error = refused(house.login(name, PASSWORD, "6.6.6.6", NOW).await, "too_many_attempts");
        assert_eq!((error.kind(), error.detail().retry_after), (Kind::RateLimited, Some(16)), "{name}");
        assert_eq!(house.verified(), before, "no guess is looked at meanwhile");
        let later = NOW + 15_000;
        refused(house.login(name, "guess", "6.6.6.6", later).await, "wrong_password");
        let error = refused(house.login(name, PASSWORD, "6.6.6.6", later).await, "too_many_attempts");
        assert_eq!(error.detail().retry_after, Some(31), "{name}");
    }
    // By her address it is the same account; from elsewhere she comes in.
    refused(house.login("ana@example.com", PASSWORD, "6.6.6.6", NOW + 15_000).await, "too_many_attempts");
    house.login("ana", PASSWORD, "1.1.1.1", NOW + 15_000).await.unwrap();
    refused(house.login("ana", PASSWORD, "6.6.6.6", NOW + 15_000).await, "too_many_attempts");
    house.login("ana", PASSWORD, "6.6.6.6", NOW + MINUTE).await.unwrap();
    // Who came in starts anew.
    for _ in 0..5 {
        refused(house.login("ana", "guess", "6.6.6.6", NOW + MINUTE).await, "wrong_password");
    }
}

#[tokio::test]
async fn guesses_that_come_at_once_are_counted_too() {
    let house = House::new(Registration::Closed).await;
    house.user("ana", Role::User).await;
    let all = (0..20).map(|_| house.login("ana", "guess", "6.6.6.6", NOW));
    futures_util::future::join_all(all).await;
    assert_eq!(house.verified(), 5);
}

#[tokio::test]
async fn failures_are_forgotten_after_an_hour() {
    let house = House::new(Registration::Closed).await;
    house.user("ana", Role::User).await;
    for _ in 0..4 {
        refused(house.login("ana", "guess", "6.6.6.6", NOW).await, "wrong_password");
    }
    for _ in 0..4 {
        refused(house.login("ana", "guess", "6.6.6.6", NOW + HOUR + 1).await, "wrong_password");
    }
    house.login("ana", PASSWORD, "6.6.6.6", NOW + HOUR + 1).await.unwrap();
}

#[tokio::test]
async fn bcrypt_hashes_of_imported_users_are_renewed_at_the_first_sign_in() {
    let house = House::new(Registration::Closed).await;
    let salt = *b"salt of a tester";
    let hash = bcrypt::hash_with_salt(PASSWORD, 4, salt).unwrap().format_for_version(bcrypt::Version::TwoY);
    let old = Configured { name: "old", email: None, role: Role::User, password: None, hash: Some(&hash) };
    assert_eq!(house.accounts.ensure(std::slice::from_ref(&old), NOW).await.unwrap().len(), 1);
    assert_eq!(house.accounts.ensure(&[old], NOW).await.unwrap().len(), 0, "they are made once");
    let stored = async || {
        let (_, hash) = store::by_login(&house.accounts.db, "old").await.unwrap().unwrap();
        hash.unwrap().as_str().to_owned()
    };
    refused(house.login("old", "wrong password", "1.1.1.1", NOW).await, "wrong_password");
    assert_eq!(stored().await, hash, "a wrong password renews nothing");
    house.login("old", PASSWORD, "1.1.1.1", NOW).await.unwrap();
    let renewed = stored().await;
    assert!(renewed.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{renewed}");
    house.login("old", PASSWORD, "1.1.1.1", NOW).await.unwrap();
    assert_eq!(stored().await, renewed, "once");
    refused(house.login("old", "wrong password", "1.1.1.1", NOW).await, "wrong_password");
}

#[tokio::test]
async fn names_are_unique_however_they_are_written() {
    let house = House::new(Registration::Open).await;
    house.user("Ana", Role::User).await;
    let register = async |name, email, password| {
        let new = NewUser { name, email, password: Some(password) };
        house.accounts.register(&new, None, NOW).await
    };
    refused(register("aNA", None, PASSWORD).await, "name_taken");
    refused(register("bea", Some("ANA@example.com"), PASSWORD).await, "name_taken");
    for (name, email, password, field) in [
        ("", None, PASSWORD, "name"),
        ("ana@example.com", None, PASSWORD, "name"),
        ("a\u{7}", None, PASSWORD, "name"),
        ("bea", Some("nobody"), PASSWORD, "email"),
        ("bea", None, "1234567", "password"),
    ] {
        let error = refused(register(name, email, password).await, "bad_value");
        assert_eq!(error.detail().option.as_deref(), Some(field));
    }
    let bea = register("Bea", None, PASSWORD).await.unwrap();
    assert_eq!((bea.user.name.as_str(), bea.user.role), ("Bea", Role::User));
    house.accounts.authenticate(&bea.access, NOW).await.unwrap();
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let house = House::new(Registration::Closed).await;
    let accounts = &house.accounts;
    let root = house.user("root", Role::Admin).await;
    refused(accounts.set_role(root.pk, Role::User, NOW).await, "last_admin");
    refused(accounts.set_disabled(root.pk, true, NOW).await, "last_admin");
    refused(accounts.delete_account(root.pk).await, "last_admin");
    let link = accounts.ask_deletion(root.pk, NOW).await.unwrap();
    refused(accounts.delete_by_link(link.expose(), NOW).await, "last_admin");
    let second = house.user("second", Role::Admin).await;
    accounts.delete_account(root.pk).await.unwrap();
    refused(accounts.user(root.pk).await, "not_found");
    refused(accounts.delete_account(second.pk).await, "last_admin");
    let third = house.user("third", Role::User).await;
    assert!(third.pk > second.pk, "keys are never given again");
    assert_eq!(accounts.users(0, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_server_that_is_too_busy_locks_nobody_out() {
    let house = House::new(Registration::Closed).await;
    house.user("ana", Role::User).await;
    assert!(house.workers.drain(Duration::from_secs(5)).await);
    for _ in 0..8 {
        refused(house.login("ana", PASSWORD, "1.1.1.1", NOW).await, "overloaded");
    }
    assert_eq!(house.verified(), 0);
}
