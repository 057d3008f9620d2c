//! People who come from elsewhere, with passwords of theirs.

use super::*;

#[tokio::test]
async fn people_settle_once_and_under_names_of_their_own() {
    let house = House::new(Registration::Closed).await;
    let accounts = &house.accounts;
    // As PHP writes it.
    let hash = bcrypt::hash(PASSWORD, 4).unwrap().replacen("$2b$", "$2y$", 1);
    let ana = Newcomer {
        name: "Ana",
        email: Some("Ana@Example.org"),
        password_hash: Some(&hash),
        created_at: Some(1000),
        quota: Quota { bytes: Some(5), files: None },
        ..Newcomer::default()
    };
    assert_eq!(accounts.find_settled(&ana).await.unwrap(), None);
    let first = accounts.settle(&ana, NOW).await.unwrap();
    assert!(first.is_new && first.locked.is_none(), "{first:?}");
    assert_eq!((first.user.created_at, first.user.quota_bytes), (1000, Some(5)));
    assert_eq!(accounts.password_hash(first.user.pk).await.unwrap(), Some(hash.clone()));
    let again = accounts.settle(&Newcomer { name: "Other", ..ana }, NOW).await.unwrap();
    assert_eq!((again.is_new, again.user.pk), (false, first.user.pk));

    // Another person of the same name, whose password was kept in a way that is not known here.
    let other = Newcomer { email: Some("a@b.c"), password_hash: Some("md5$x"), ..ana };
    let second = accounts.settle(&other, NOW).await.unwrap();
    assert_eq!((second.is_new, second.user.name.as_str()), (true, "Ana-2"));
    assert!(second.locked.is_some());
    // Without an address the name is all there is.
    let bare = Newcomer { name: " ANA ", email: None, password_hash: None, disabled: true, ..ana };
    assert_eq!(accounts.settle(&bare, NOW).await.unwrap().user.pk, first.user.pk);
    let frozen = accounts.settle(&Newcomer { name: "x@y", ..bare }, NOW).await.unwrap().user;
    assert_eq!((frozen.name.as_str(), frozen.disabled_at), ("x", Some(NOW)));

    // The old password opens the account, and is kept as ours from then on.
    house.login("ana", "password124", "192.0.2.1", NOW).await.unwrap_err();
    house.login("ana@example.org", PASSWORD, "192.0.2.1", NOW).await.unwrap();
    let renewed = accounts.password_hash(first.user.pk).await.unwrap().unwrap();
    assert!(renewed.starts_with("$argon2id$"), "{renewed}");
    house.login("ana", PASSWORD, "192.0.2.1", NOW).await.unwrap();
}
