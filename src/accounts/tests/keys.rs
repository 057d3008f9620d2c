//! API keys: what they may, and until when.

use super::*;

async fn who(house: &House, name: &str, role: Role) -> Who {
    house.user(name, role).await;
    let signed = house.login(name, PASSWORD, "1.1.1.1", NOW).await.unwrap();
    house.accounts.authenticate(&signed.access, NOW).await.unwrap()
}

fn new_key(scopes: &str, expires_at: Option<i64>) -> NewKey<'static> {
    NewKey { name: "laptop", scopes: scopes.parse().unwrap(), expires_at }
}

#[tokio::test]
async fn a_key_acts_for_its_owner_within_its_scopes_until_it_ends() {
    let house = House::new(Registration::Closed).await;
    let accounts = &house.accounts;
    let ana = who(&house, "ana", Role::User).await;
    let (key, secret) =
        accounts.create_key(&ana, &new_key("read upload", Some(NOW + HOUR)), NOW).await.unwrap();
    assert!(secret.expose().starts_with(&key.prefix()));
    let acts = accounts.authenticate(secret.expose(), NOW + 1).await.unwrap();
    assert_eq!((acts.user.pk, acts.key.as_ref()), (ana.user.pk, Some(&key.id)));
    acts.needs(Scope::Upload).unwrap();
    refused(acts.needs(Scope::Manage), "missing_scope");
    refused(accounts.create_key(&acts, &new_key("manage", None), NOW).await, "missing_scope");
    refused(accounts.authenticate(secret.expose(), NOW + HOUR).await, "token_expired");

    let last = secret.expose().len() - 1;
    let other = if secret.expose().ends_with('a') { "b" } else { "a" };
    let forged = format!("{}{other}", &secret.expose()[..last]);
    refused(accounts.authenticate(&forged, NOW).await, "bad_token");
    let unknown = Token::key(&token::public_id().unwrap()).unwrap();
    refused(accounts.authenticate(unknown.expose(), NOW).await, "bad_token");

    // One's own keys only.
    let bea = who(&house, "bea", Role::User).await;
    refused(accounts.revoke_key(bea.user.pk, &key.id, NOW).await, "not_found");
    accounts.revoke_key(ana.user.pk, &key.id, NOW).await.unwrap();
    refused(accounts.authenticate(secret.expose(), NOW).await, "bad_token");
    refused(accounts.revoke_key(ana.user.pk, &key.id, NOW).await, "not_found");
    assert_eq!(accounts.keys(ana.user.pk).await.unwrap(), []);
}

#[tokio::test]
async fn a_key_may_no_more_than_its_owner() {
    let house = House::new(Registration::Closed).await;
    let accounts = &house.accounts;
    house.user("root", Role::Admin).await;
    let ana = who(&house, "ana", Role::Admin).await;
    let (_, secret) = accounts.create_key(&ana, &new_key("read manage admin", None), NOW).await.unwrap();
    accounts.authenticate(secret.expose(), NOW).await.unwrap().needs(Scope::Admin).unwrap();
    accounts.set_role(ana.user.pk, Role::Guest, NOW).await.unwrap();
    let acts = accounts.authenticate(secret.expose(), NOW).await.unwrap();
    assert_eq!(acts.scopes.to_string(), "read");
    accounts.set_disabled(ana.user.pk, true, NOW).await.unwrap();
    refused(accounts.authenticate(secret.expose(), NOW).await, "bad_token");
    let bea = who(&house, "bea", Role::User).await;
    refused(accounts.create_key(&bea, &new_key("admin", None), NOW).await, "missing_scope");
    refused(accounts.create_key(&bea, &new_key("", None), NOW).await, "bad_value");
    refused(accounts.create_key(&bea, &new_key("read", Some(NOW)), NOW).await, "bad_value");
}

#[tokio::test]
async fn the_last_use_is_written_by_the_flush() {
    let house = House::new(Registration::Closed).await;
    let accounts = &house.accounts;
    let ana = who(&house, "ana", Role::User).await;
    let (_, secret) = accounts.create_key(&ana, &new_key("read", None), NOW).await.unwrap();
    for minute in 1..=3 {
        accounts.authenticate(secret.expose(), NOW + minute * MINUTE).await.unwrap();
    }
    assert_eq!(accounts.keys(ana.user.pk).await.unwrap()[0].used_at, None);
    accounts.flush().await.unwrap();
    assert_eq!(accounts.keys(ana.user.pk).await.unwrap()[0].used_at, Some(NOW + 3 * MINUTE));
    accounts.flush().await.unwrap();
}
