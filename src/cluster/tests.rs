//! What needs no Redis; the rest is in `tests/it/cluster.rs`, with a real one.

use super::*;
use crate::units::Secret;

#[test]
fn urls_are_checked_and_show_no_password() {
    let parse = |text: &str| Urls::parse(&Secret::new(text));
    for wrong in ["", "localhost", "redis://", "http://host", "redis://a,", "redis://a,localhost", "unix:/x"]
    {
        assert!(matches!(parse(wrong), Err(ClusterError::Url)), "{wrong}");
    }
    let urls = parse("rediss://user:hidden@one:7000/0, redis://:hidden@two").unwrap();
    assert_eq!(format!("{urls:?}"), r#"["one:7000", "two:6379"]"#);
}

#[test]
fn our_own_news_are_none_and_strange_ones_are_any() {
    let all = |changes, work| Some(News { changes, work });
    for (message, heard) in [
        ("me 3", None),
        ("you 1", all(true, false)),
        ("you 2", all(false, true)),
        ("you 255", all(true, true)),
        ("you 1 and more", all(true, true)),
        ("", all(true, true)),
    ] {
        assert_eq!(News::heard(message, "me"), heard, "{message}");
    }
    let news = News { changes: true, work: false };
    assert_eq!(News::heard(&news.message("you"), "me"), Some(news));
}

#[tokio::test]
async fn many_news_are_one_and_none_is_lost() {
    let board = Board::default();
    for _ in 0..3 {
        board.pin(News { changes: true, work: false });
    }
    board.pin(News { changes: false, work: true });
    assert_eq!(board.take().await, News::ALL);
    let mut next = std::pin::pin!(board.take());
    assert!(futures_util::FutureExt::now_or_never(&mut next).is_none());
    board.pin(News { changes: true, work: false });
    assert_eq!(next.await, News { changes: true, work: false });
}

#[tokio::test]
async fn alone_nobody_is_told_or_asked() {
    let cluster = Cluster::alone();
    cluster.tell(News::ALL);
    let spent = Spent { bucket: "k".to_owned(), takes: Duration::from_secs(1), most: Duration::from_secs(2) };
    assert_eq!(cluster.spend(&[spent]).await, [None]);
    assert!(!cluster.is_up() && cluster.is_alone());
}
