//! What nodes tell each other through a real Redis, alone and as a cluster: news, spending, and coming back after it was
//! away. Whole nodes are in `nodes.rs`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pixedge::cluster::{Cluster, Config, News, Spent, Urls, check, tell_once};
use pixedge::telemetry::metrics::Metrics;
use pixedge::units::Secret;

use crate::support::Home;
use crate::support::redis::{Redis, cluster};

const CHANGES: News = News { changes: true, work: false };

fn config(url: &str) -> Config {
    pixedge::net::install_crypto();
    let urls = Urls::parse(&Secret::new(url)).unwrap();
    Config { urls, prefix: "test".to_owned(), timeout: Duration::from_millis(500) }
}

/// A node that is connected, and what it counts.
async fn node(url: &str) -> (Cluster, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new());
    let node = Cluster::new(config(url), Arc::clone(&metrics));
    tokio::spawn(node.clone().run());
    // Having come up is news itself.
    assert_eq!(soon(node.news()).await, News { changes: true, work: true });
    assert!(node.is_up() && metrics.encode().contains("pixedge_cluster_up{by=\"redis\"} 1"));
    (node, metrics)
}

async fn soon<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), event).await.expect("nothing happened")
}

fn spent(bucket: &str, takes_ms: u64) -> Spent {
    let (takes, most) = (Duration::from_millis(takes_ms), Duration::from_secs(3600));
    Spent { bucket: bucket.to_owned(), takes, most }
}

/// Everything that is promised of one Redis or several that are one.
async fn tells_and_adds_up(url: &str) {
    let ((one, _), (two, metrics)) = (node(url).await, node(url).await);
    one.tell(CHANGES);
    assert_eq!(soon(two.news()).await, CHANGES);
    two.tell(News { changes: false, work: true });
    // What a node said it does not hear itself: the next that comes is of the other.
    assert_eq!(soon(one.news()).await, News { changes: false, work: true });
    soon(tell_once(&config(url), CHANGES)).await.unwrap();
    assert_eq!((soon(one.news()).await, soon(two.news()).await), (CHANGES, CHANGES));
    assert!(metrics.encode().contains("pixedge_cluster_messages_total{direction=\"received\"} 2"));

    // So many that they lie on all nodes of a cluster, in several scripts.
    let names: Vec<String> = (0..1200).map(|n| format!("{url}-{n}")).collect();
    let spend = |takes| names.iter().map(|name| spent(name, takes)).collect::<Vec<_>>();
    let begun = Instant::now();
    let near = |found: &[Option<Duration>], expected: u64| {
        let slack = Duration::from_millis(2) + begun.elapsed();
        let expected = Duration::from_millis(expected);
        found.iter().all(|missing| missing.is_some_and(|m| m <= expected && m + slack >= expected))
    };
    assert!(near(&soon(one.spend(&spend(600_000))).await, 600_000));
    assert!(near(&soon(two.spend(&spend(30_000))).await, 630_000), "both are added up");
    let most = soon(two.spend(&spend(9_999_999))).await;
    assert!(near(&most, 3_600_000), "and bounded");
    // What is full again is gone.
    let quick = soon(one.spend(&[spent("quick", 3)])).await;
    assert_eq!(quick[0], Some(Duration::from_millis(3)));
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(soon(two.spend(&[spent("quick", 5)])).await[0], Some(Duration::from_millis(5)));
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

#[test]
fn one_redis_carries_news_and_adds_up_and_comes_back() {
    let Some(mut redis) = Redis::start("one_redis_carries_news_and_adds_up_and_comes_back") else { return };
    run(async {
        let url = redis.url();
        tells_and_adds_up(&url).await;
        let ((one, metrics), (two, _)) = (node(&url).await, node(&url).await);
        redis.daemon.kill();
        let gone = async {
            while one.is_up() || two.is_up() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        soon(gone).await;
        let told = metrics.encode();
        assert!(told.contains("pixedge_cluster_up{by=\"redis\"} 0"), "{told}");
        assert_eq!(soon(one.spend(&[spent("a", 5)])).await, [None], "nobody waits for who is away");
        assert!(check(&config(&url)).await.is_err() && tell_once(&config(&url), CHANGES).await.is_err());
        one.tell(CHANGES);
        redis.daemon.start_again();
        assert_eq!(soon(two.news()).await, News { changes: true, work: true }, "whatever was missed");
        let both = async {
            while !(one.is_up() && two.is_up()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        soon(both).await;
        assert_eq!(soon(one.spend(&[spent("a", 60_000)])).await, [Some(Duration::from_secs(60))]);
    });
}

#[test]
fn a_password_is_asked_for_and_a_refusal_is_not_an_outage() {
    let Some(redis) = Redis::start("a_password_is_asked_for_and_a_refusal_is_not_an_outage") else { return };
    redis.ask(&[
        "ACL",
        "SETUSER",
        "node",
        "on",
        ">open sesame",
        "~test:*",
        "&test:*",
        "+@all",
        "-eval",
        "-publish",
    ]);
    redis.ask(&["ACL", "SETUSER", "default", "off"]);
    run(async {
        let port = redis.daemon.port();
        assert!(check(&config(&redis.url())).await.is_err());
        let url = format!("redis://node:open%20sesame@127.0.0.1:{port}");
        let said = check(&config(&url)).await.unwrap();
        assert_eq!(said, format!("127.0.0.1:{port} answers"));
        let (node, _) = node(&url).await;
        assert_eq!(node.spend(&[spent("a", 5)]).await, [None]);
        node.spend(&[spent("a", 5)]).await;
        node.tell(CHANGES);
        // Longer than it takes to notice that Redis is away.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert!(node.is_up());
    });
}

#[test]
fn tls_is_checked_against_the_system_s_roots() {
    let Some((redis, certificate)) = Redis::with_tls("tls_is_checked_against_the_system_s_roots") else {
        return;
    };
    let url = format!("rediss://localhost:{}", redis.daemon.port());
    let home = Home::new(&format!("redis: {{ url: '{url}', timeout: 3s }}\n"));
    let check = |trusted: Option<&std::path::Path>| {
        let mut command = home.command(&["check"]);
        command.env_remove("SSL_CERT_FILE").envs(trusted.map(|path| ("SSL_CERT_FILE", path)));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), said.lines().find(|line| line.contains("redis")).unwrap().to_owned())
    };
    let (is_fine, said) = check(Some(&certificate));
    assert!(is_fine && said.contains("answers"), "{said}");
    let (is_fine, said) = check(None);
    assert!(!is_fine && said.contains("certificate"), "{said}");
}

#[test]
fn a_redis_cluster_does_the_same() {
    let Some(nodes) = cluster("a_redis_cluster_does_the_same") else { return };
    run(async {
        // A node that is gone, and two that know of the third.
        let url = format!("redis://127.0.0.1:1,{},{}", nodes[1].url(), nodes[0].url());
        tells_and_adds_up(&url).await;
        assert!(check(&config(&url)).await.unwrap().ends_with("answers, a Redis Cluster"));
    });
}
