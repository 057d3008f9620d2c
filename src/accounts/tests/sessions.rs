//! Sessions from sign-in to their end.

use super::*;

#[tokio::test]
async fn a_session_lives_from_login_to_logout() {
    let house = House::new(Registration::Closed).await;
    let accounts = &house.accounts;
    let ana = house.user("Ana", Role::User).await;
    let signed = house.login(" ana@EXAMPLE.com ", PASSWORD, "1.1.1.1", NOW).await.unwrap();
    assert_eq!((signed.user.pk, signed.expires_in.as_secs()), (ana.pk, 3600));
    let who = accounts.authenticate(&signed.access, NOW + 59 * MINUTE).await.unwrap();
    assert_eq!((who.user.id.as_str(), who.key), (ana.id.as_str(), None));
    refused(accounts.authenticate(&signed.access, NOW + HOUR).await, "token_expired");
    refused(accounts.authenticate(signed.refresh.expose(), NOW).await, "bad_token");
    refused(accounts.refresh(&signed.access, NOW).await, "bad_token");

    let next = accounts.refresh(signed.refresh.expose(), NOW + HOUR).await.unwrap();
    accounts.authenticate(&next.access, NOW + HOUR).await.unwrap();
    accounts.logout(&next.access, NOW + HOUR).await.unwrap();
    refused(accounts.authenticate(&next.access, NOW + HOUR).await, "bad_token");
    refused(accounts.refresh(next.refresh.expose(), NOW + HOUR).await, "bad_token");
    accounts.logout("nobody's", NOW).await.unwrap();
}

#[tokio::test]
async fn a_refresh_token_that_comes_twice_ends_its_session_and_no_other() {
    let house = House::new(Registration::Closed).await;
    let accounts = &house.accounts;
    house.user("ana", Role::User).await;
    let first = house.login("ana", PASSWORD, "1.1.1.1", NOW).await.unwrap();
    let other = house.login("ana", PASSWORD, "1.1.1.1", NOW).await.unwrap();
    let second = accounts.refresh(first.refresh.expose(), NOW + 1).await.unwrap();
    refused(accounts.refresh(first.refresh.expose(), NOW + 2).await, "bad_token");
    refused(accounts.refresh(second.refresh.expose(), NOW + 3).await, "bad_token");
    refused(accounts.authenticate(&second.access, NOW + 3).await, "bad_token");
    accounts.authenticate(&other.access, NOW + 3).await.unwrap();
    accounts.refresh(other.refresh.expose(), NOW + 3).await.unwrap();
}

#[tokio::test]
async fn of_many_refreshes_at_once_one_wins() {
    let house = House::new(Registration::Closed).await;
    house.user("ana", Role::User).await;
    let signed = house.login("ana", PASSWORD, "1.1.1.1", NOW).await.unwrap();
    let all = (0..8).map(|_| house.accounts.refresh(signed.refresh.expose(), NOW));
    let won = futures_util::future::join_all(all).await.into_iter().filter(Result::is_ok).count();
    assert_eq!(won, 1);
}

#[tokio::test]
async fn refresh_tokens_expire_and_sessions_end_without_them() {
    let house = House::new(Registration::Closed).await;
    let accounts = &house.accounts;
    house.user("ana", Role::User).await;
    let signed = house.login("ana", PASSWORD, "1.1.1.1", NOW).await.unwrap();
    let day = 24 * HOUR;
    let (_, access) = accounts.renew(&signed.access, NOW + 29 * day).await.unwrap();
    accounts.authenticate(&access, NOW + 29 * day).await.unwrap();
    // A token that was exchanged is good for requests that are on their way, also for such as exchange it once more.
    let soon = NOW + 29 * day + 29_000;
    let (_, other) = accounts.renew(&signed.access, soon).await.unwrap();
    for (token, at) in [(&access, soon + HOUR / 2), (&other, soon + HOUR / 2)] {
        accounts.authenticate(token, at).await.unwrap();
    }
    refused(accounts.renew(&signed.access, NOW + 29 * day + 30_000).await, "token_expired");
    let (_, third) = accounts.renew(&access, soon + HOUR / 2).await.unwrap();
    refused(accounts.authenticate(&other, soon + HOUR / 2 + 30_000).await, "bad_token");
    accounts.authenticate(&third, soon + HOUR / 2 + 30_000).await.unwrap();
    refused(accounts.renew(&third, NOW + 30 * day).await, "token_expired");
    refused(accounts.refresh(signed.refresh.expose(), NOW + 30 * day).await, "token_expired");
    assert_eq!(accounts.sweep(NOW + 30 * day).await.unwrap(), 0);
    assert_eq!(accounts.sweep(NOW + 32 * day).await.unwrap(), 1);
    refused(accounts.refresh(signed.refresh.expose(), NOW).await, "bad_token");
}

#[tokio::test]
async fn other_passwords_disabling_and_revoking_end_what_was_open() {
    let house = House::new(Registration::Closed).await;
    let accounts = &house.accounts;
    let ana = house.user("ana", Role::User).await;
    let ended = async |signed: &Signed| {
        refused(accounts.authenticate(&signed.access, NOW).await, "bad_token");
        refused(accounts.refresh(signed.refresh.expose(), NOW).await, "bad_token");
    };
    let signed = house.login("ana", PASSWORD, "1.1.1.1", NOW).await.unwrap();
    accounts.revoke_all(ana.pk, NOW).await.unwrap();
    ended(&signed).await;

    let signed = house.login("ana", PASSWORD, "1.1.1.1", NOW).await.unwrap();
    let from = address("1.1.1.1");
    refused(accounts.change_password(&ana, "not this", "other password", from, NOW).await, "wrong_password");
    refused(accounts.change_password(&ana, PASSWORD, "short", from, NOW).await, "bad_value");
    let changed = accounts.change_password(&ana, PASSWORD, "other password", from, NOW).await.unwrap();
    ended(&signed).await;
    accounts.authenticate(&changed.access, NOW).await.unwrap();

    accounts.set_disabled(ana.pk, true, NOW).await.unwrap();
    ended(&changed).await;
    refused(house.login("ana", "other password", "1.1.1.1", NOW).await, "wrong_password");
    accounts.set_disabled(ana.pk, false, NOW).await.unwrap();
    house.login("ana", "other password", "1.1.1.1", NOW).await.unwrap();
}

#[tokio::test]
async fn a_role_counts_from_the_moment_it_is_given() {
    let house = House::new(Registration::Closed).await;
    let accounts = &house.accounts;
    house.user("root", Role::Admin).await;
    let ana = house.user("ana", Role::Admin).await;
    let signed = house.login("ana", PASSWORD, "1.1.1.1", NOW).await.unwrap();
    accounts.authenticate(&signed.access, NOW).await.unwrap().needs(Scope::Admin).unwrap();
    accounts.set_role(ana.pk, Role::Guest, NOW).await.unwrap();
    let who = accounts.authenticate(&signed.access, NOW).await.unwrap();
    who.needs(Scope::Read).unwrap();
    refused(who.needs(Scope::Upload), "missing_scope");
    refused(who.needs(Scope::Admin), "missing_scope");
}

#[tokio::test]
async fn no_secret_is_in_the_database() {
    let house = House::new(Registration::Closed).await;
    house.user("ana", Role::User).await;
    let signed = house.login("ana", PASSWORD, "1.1.1.1", NOW).await.unwrap();
    let refresh = signed.refresh.expose().to_owned();
    let access = signed.access.clone();
    let bytes = house.bytes().await;
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("ana@example.com"), "the file was read");
    for secret in [PASSWORD, &refresh, &refresh[4..], &access] {
        assert!(!holds(secret), "{secret}");
    }
}
