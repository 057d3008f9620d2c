//! Three nodes behind the real nginx, over PostgreSQL, Redis and S3: each picture stays on its node, what one does the
//! others know, limits hold over all of them, and neither a node nor Redis is missed when it goes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use pixedge::codec::Format;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::daemons::{Daemons, S3_KEY, S3_SECRET};
use crate::support::engines::{self, Kind};
use crate::support::nginx::{Nginx, is_installed};
use crate::support::pictures::encoded;
use crate::support::redis::Redis;
use crate::support::web::{Web, answer};
use crate::support::{Home, Server};

/// So long a node may go without knowing what another did.
const BOUND: Duration = Duration::from_secs(1);
/// And a moment for this machine to be slow in.
const SLACK: Duration = Duration::from_secs(1);
const UP: &str = "pixedge_cluster_up{by=\"redis\"}";
const RATE: f64 = 20.0;
const BURST: f64 = 40.0;

struct Site {
    nodes: Vec<Server>,
    nginx: Nginx,
    redis: Redis,
    /// The cache in front that wants to know of purges.
    cdn: Web,
    ids: Vec<String>,
    /// A picture's URL, signed with the key whose rate is limited.
    signed: String,
    root: String,
    _daemons: Daemons,
    _folders: [TempDir; 2],
}

fn site(test: &str) -> Option<Site> {
    if !is_installed(test) {
        return None;
    }
    let database = engines::Server::shared(test, Kind::Postgres)?.database();
    let redis = Redis::start(test)?;
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let daemons = Daemons::start(test, folders[0].path(), folders[1].path())?;
    std::fs::create_dir(folders[0].path().join("pictures")).unwrap();
    let cdn = Web::start(|request| answer(request, "200 OK", &[], b""));
    std::fs::write(folders[1].path().join("key"), "a secret that all nodes know, and long enough").unwrap();
    let config = format!(
        "database: {{ url: '{database}' }}\nredis: {{ url: '{}' }}\n\
         storages: {{ bucket: {{ scheme: s3, endpoint: '{}', bucket: pictures, access_key_id: {S3_KEY}, \
         secret_access_key: {S3_SECRET} }} }}\nstorage_default: bucket\nlibrary: {{ unsigned: open }}\n\
         auth: {{ secret_file: {key}, users: [{{ name: root, role: admin, password: password123 }}] }}\n\
         keys: [{{ kid: k, secret_file: {key} }}]\npurge_hooks: {{ cdn: {{ url: '{}/purge', token: sesame }} }}\n\
         limits: {{ per_address: null, per_key: {{ rate: {RATE}/s, burst: {BURST} }} }}\n",
        redis.url(),
        daemons.s3.url(),
        cdn.url(),
        key = folders[1].path().join("key").display(),
    );
    let homes = [(); 3].map(|()| Home::new(&config));
    let from = homes[0].path().join("from");
    std::fs::create_dir(&from).unwrap();
    for seed in 0..30 {
        std::fs::write(from.join(format!("{seed}.png")), encoded(Format::Png, 40, 30, seed)).unwrap();
    }
    let printed = homes[0].run(&["import", from.to_str().unwrap()]);
    let ids: Vec<String> = printed.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 30, "{printed}");
    let printed = homes[0].run(&["sign", &format!("/i/{}/w_24,f_png", ids[0]), "--kid", "k"]);
    let url = printed.lines().last().unwrap();
    let signed = url[url.find("/i/").or(url.find("/s/")).unwrap()..].to_owned();
    let nodes: Vec<Server> = homes.into_iter().map(Home::start).collect();
    let nginx = Nginx::before(&nodes.iter().map(Server::address).collect::<Vec<_>>());
    let login = json!({"username": "root", "password": "password123"});
    let root =
        nodes[0].json("POST", "/v1/login", "", login).json()["access_token"].as_str().unwrap().to_owned();
    for node in &nodes {
        within(SLACK * 10, || node.metrics().get(UP) == Some(&1.0));
    }
    Some(Site { nodes, nginx, redis, cdn, ids, signed, root, _daemons: daemons, _folders: folders })
}

/// Waits until it is so, and says how long that took.
fn within(bound: Duration, mut is_so: impl FnMut() -> bool) -> Duration {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < bound, "not so after {:?}", since.elapsed());
        std::thread::sleep(Duration::from_millis(2));
    }
    since.elapsed()
}

fn made(node: &Server) -> f64 {
    node.metrics().get("pixedge_cache_total{tier=\"miss\"}").copied().unwrap_or(0.0)
}

impl Site {
    /// Purges on the first node, by the API or the command, and says how long the slowest of the others took to see it.
    fn purge(&self, purge: impl FnOnce(), paths: &[String]) -> Duration {
        let is_hit = |node: &Server, path: &String| {
            let reply = node.get(path);
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            reply.header("cache-status").contains("hit")
        };
        for path in paths {
            for node in &self.nodes {
                node.get(path);
                within(SLACK, || is_hit(node, path));
            }
        }
        purge();
        assert!(
            paths.iter().all(|path| !is_hit(&self.nodes[0], path)),
            "the node that was asked knows at once"
        );
        let missing = |node: &Server| {
            let since = Instant::now();
            for path in paths {
                within(BOUND + SLACK, || !is_hit(node, path));
            }
            since.elapsed()
        };
        self.nodes[1..].iter().map(missing).max().unwrap()
    }

    fn purge_by_api(&self, what: &Value, paths: &[String]) -> Duration {
        let purge = || {
            let reply = self.nodes[0].json("POST", "/v1/purge", &self.root, what.clone());
            assert_eq!(reply.status, 200, "{}", reply.text());
        };
        self.purge(purge, paths)
    }

    /// What the limited key gets in `span`, asking all nodes as fast as it can.
    fn hammer(&self, span: Duration) -> (u32, Duration) {
        let (served, begun) = (AtomicU32::new(0), Instant::now());
        std::thread::scope(|scope| {
            for node in &self.nodes {
                let served = &served;
                scope.spawn(move || {
                    while begun.elapsed() < span {
                        match node.get(&self.signed).status {
                            200 => drop(served.fetch_add(1, Ordering::Relaxed)),
                            429 => {}
                            other => panic!("{other}"),
                        }
                    }
                });
            }
        });
        (served.into_inner(), begun.elapsed())
    }

    fn log_lines(&self, text: &str) -> Vec<usize> {
        self.nodes.iter().map(|node| node.log().matches(text).count()).collect()
    }
}

#[test]
fn three_nodes_are_one() {
    let clock = Instant::now();
    let Some(mut site) = site("three_nodes_are_one") else { return };
    let mut lap = |what: &str| eprintln!("{:>6.2} s  {what}", clock.elapsed().as_secs_f64());
    lap("all are there");
    pictures_stay_on_their_nodes(&site);
    lap("pictures stayed");
    purges_reach_all(&site, &mut lap);
    what_is_revoked_is_revoked_everywhere(&site);
    lap("revoked");
    limits_hold_together(&site, &mut lap);
    redis_goes_and_comes(&mut site, &mut lap);
    a_killed_node_is_not_missed(site, &mut lap);
}

fn pictures_stay_on_their_nodes(site: &Site) {
    let mut wire = site.nginx.wire();
    let mut homes = BTreeMap::<usize, usize>::new();
    for id in &site.ids {
        let before: Vec<f64> = site.nodes.iter().map(made).collect();
        for spec in ["w_10,f_png", "w_12,f_jpg"] {
            let answer = wire.ask("GET", &format!("/i/{id}/{spec}"), &[]);
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        let made: Vec<f64> =
            site.nodes.iter().zip(before).map(|(node, before)| made(node) - before).collect();
        let home = made.iter().position(|made| *made == 2.0);
        *homes.entry(home.unwrap_or_else(|| panic!("{id} was made by {made:?}"))).or_default() += 1;
    }
    assert!(homes.len() == 3, "{homes:?}");
    // What is uploaded is spread, although it all goes to one address.
    let api = |node: &Server| {
        let of_api = |(name, _): &(String, f64)| {
            name.starts_with("pixedge_requests_total") && name.contains("route=\"/v1/images\"")
        };
        node.metrics().into_iter().filter(of_api).map(|(_, count)| count).sum::<f64>()
    };
    let before: Vec<f64> = site.nodes.iter().map(api).collect();
    let token = format!("Authorization: Bearer {}", site.root);
    for _ in 0..30 {
        assert_eq!(wire.ask("GET", "/v1/images", &[&token]).status, 200);
    }
    let took: Vec<f64> = site.nodes.iter().zip(before).map(|(node, before)| api(node) - before).collect();
    assert!(took.iter().all(|count| *count > 0.0), "{took:?}");
}

fn purges_reach_all(site: &Site, lap: &mut impl FnMut(&str)) {
    let path = |index: usize| format!("/i/{}/w_20,f_png", site.ids[index]);
    let paths: Vec<String> = (1..4).map(path).collect();
    let mut waits = Vec::new();
    for index in 1..4 {
        waits.push(site.purge_by_api(&json!({"image": site.ids[index]}), &paths[index - 1..index]));
    }
    waits.push(site.purge_by_api(&json!({"tag": site.ids[1]}), &paths[..1]));
    waits.push(site.purge_by_api(&json!({"all": true}), &paths));
    let by_command = || {
        site.nodes[0].home().run(&["cache", "purge", "--image", &site.ids[2]]);
    };
    // The command is another process: the first node has to be told as well.
    let first = &site.nodes[0];
    first.get(&paths[1]);
    by_command();
    within(BOUND + SLACK, || !first.get(&paths[1]).header("cache-status").contains("hit"));
    lap(&format!("purges seen by the others after {waits:?}"));
    let told = |node: &Server| node.metrics()["pixedge_cluster_messages_total{direction=\"received\"}"];
    assert!(site.nodes.iter().all(|node| told(node) >= 1.0));
    assert!(site.nodes[1..].iter().all(|node| told(node) >= 6.0), "each by a message");

    // Three nodes look for work, and each order is carried out once.
    within(Duration::from_secs(10), || site.cdn.requests().len() >= 6);
    std::thread::sleep(Duration::from_millis(300));
    let orders: Vec<Value> =
        site.cdn.requests().iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect();
    let mut told: Vec<&str> = orders.iter().map(|order| order["purged"].as_str().unwrap()).collect();
    told.sort_unstable();
    assert_eq!(told, ["all", "image", "image", "image", "image", "tag"]);
    // The same with more to do, which all three leave and take.
    for (index, id) in site.ids[10..].iter().enumerate() {
        let node = &site.nodes[index % 3];
        assert_eq!(node.json("POST", "/v1/purge", &site.root, json!({"image": id})).status, 200);
    }
    within(Duration::from_secs(10), || site.cdn.requests().len() >= 26);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(site.cdn.requests().len(), 26);
    let done = |node: &Server| {
        let name = "pixedge_jobs_total{kind=\"purge-hook\",state=\"completed\"}";
        node.metrics().get(name).copied().unwrap_or(0.0)
    };
    let done: Vec<f64> = site.nodes.iter().map(done).collect();
    assert_eq!(done.iter().sum::<f64>(), 26.0, "{done:?}");
    lap(&format!("26 jobs were done once each, by {done:?}"));
    let all = orders.iter().find(|order| order["purged"] == "all").unwrap();
    assert_eq!(all["cache_tags"], json!([]));
}

fn what_is_revoked_is_revoked_everywhere(site: &Site) {
    let [one, two, three] = &site.nodes[..] else { unreachable!() };
    let me = |node: &Server, token: &str| node.json("GET", "/v1/me", token, Value::Null).status;
    let login = json!({"username": "root", "password": "password123"});
    let session = one.json("POST", "/v1/login", "", login).json();
    let token = session["access_token"].as_str().unwrap();
    assert_eq!((me(two, token), me(three, token)), (200, 200));
    let made = two.json("POST", "/v1/keys", token, json!({"name": "mine"})).json();
    let key = made["key"].as_str().unwrap();
    assert_eq!((me(one, key), me(three, key)), (200, 200));
    one.json("DELETE", &format!("/v1/keys/{}", made["id"].as_str().unwrap()), token, Value::Null);
    assert_eq!((me(two, key), me(three, key)), (401, 401));
    assert_eq!(three.json("POST", "/v1/logout", token, Value::Null).status, 204);
    assert_eq!((me(one, token), me(two, token)), (401, 401));

    // What nodes keep in memory they forget when they are told.
    let from = |node: &Server| node.get_with("/i/nothere1", &[("x-forwarded-for", "203.0.113.9")]).status;
    let rule = json!({"verdict": "deny", "block": "203.0.113.0/24"});
    assert_eq!(one.json("POST", "/v1/admin/addresses", &site.root, rule).status, 201);
    within(BOUND + SLACK, || from(two) == 403 && from(three) == 403);
    let path = "/v1/admin/addresses?verdict=deny&block=203.0.113.0/24";
    assert_eq!(two.json("DELETE", path, &site.root, Value::Null).status, 204);
    within(BOUND + SLACK, || from(one) == 404 && from(three) == 404);
    let settings = |node: &Server| node.json("GET", "/v1/admin/settings", &site.root, Value::Null).json();
    let before = settings(one);
    let change = json!({"registration": "open"});
    assert_eq!(three.json("PUT", "/v1/admin/settings", &site.root, change).status, 200);
    assert_ne!(settings(one), before);
    assert_eq!(settings(one), settings(two));
    let picture = format!("/i/{}/w_20,f_png", site.ids[9]);
    assert_eq!((two.get(&picture).status, three.get(&picture).status), (200, 200));
    assert_eq!(
        one.json("DELETE", &format!("/v1/images/{}", site.ids[9]), &site.root, Value::Null).status,
        204
    );
    within(BOUND + SLACK, || two.get(&picture).status == 404 && three.get(&picture).status == 404);
}

/// What one node would let through.
fn ideal(span: Duration) -> f64 {
    BURST + RATE * span.as_secs_f64()
}

fn limits_hold_together(site: &Site, lap: &mut impl FnMut(&str)) {
    let (served, span) = site.hammer(Duration::from_secs(3));
    lap(&format!("{served} of {:.0} tokens in {span:?}", ideal(span)));
    let error = f64::from(served) - ideal(span);
    // Two others can let through what they have not heard of yet, a burst each at the worst; measured is far less.
    assert!((-0.2 * ideal(span)..=BURST).contains(&error), "{served} of {}", ideal(span));
}

fn redis_goes_and_comes(site: &mut Site, lap: &mut impl FnMut(&str)) {
    let up = |site: &Site, up: f64| site.nodes.iter().all(|node| node.metrics().get(UP) == Some(&up));
    // Frozen first: a Redis that takes connections and does not answer.
    let hit = format!("/i/{}/w_20,f_png", site.ids[1]);
    site.nodes[1].get(&hit);
    site.redis.daemon.pause();
    let since = Instant::now();
    let slowest = (0..200).map(|_| {
        let begun = Instant::now();
        assert_eq!(site.nodes[1].get(&hit).status, 200);
        begun.elapsed()
    });
    let slowest = slowest.max().unwrap();
    lap(&format!("200 hits in {:?} beside a frozen Redis, the slowest {slowest:?}", since.elapsed()));
    assert!(slowest < Duration::from_millis(450), "no hit waits for Redis");
    within(Duration::from_secs(10), || up(site, 0.0));
    site.redis.daemon.resume();
    within(Duration::from_secs(10), || up(site, 1.0));
    site.redis.daemon.kill();
    within(Duration::from_secs(10), || up(site, 0.0));
    lap("Redis is away");
    let path = [format!("/i/{}/w_20,f_png", site.ids[5])];
    let wait = site.purge_by_api(&json!({"image": site.ids[5]}), &path);
    // Each node for itself: the bucket is full again by now.
    std::thread::sleep(Duration::from_secs_f64((BURST / RATE - 1.0).max(0.0)));
    let (served, span) = site.hammer(Duration::from_secs(1));
    lap(&format!("without Redis a purge took {wait:?}; {served} of {:.0} tokens in {span:?}", ideal(span)));
    assert!(f64::from(served) > 1.5 * ideal(span), "each node counts for itself");
    site.redis.daemon.start_again();
    let healed = within(Duration::from_secs(10), || up(site, 1.0));
    let wait = site.purge_by_api(&json!({"image": site.ids[5]}), &path);
    lap(&format!("healed after {healed:?}; a purge took {wait:?}"));
    assert_eq!(site.log_lines("Redis is away"), [2, 2, 2], "once an outage");
    assert_eq!(site.log_lines("Redis is there"), [3, 3, 3]);
}

fn a_killed_node_is_not_missed(mut site: Site, lap: &mut impl FnMut(&str)) {
    let (asked, failed) = (AtomicU32::new(0), AtomicU32::new(0));
    let (stop, number) = (AtomicBool::new(false), AtomicU32::new(0));
    let base = format!("http://{}", site.nginx.http);
    let ids = site.ids.clone();
    let victim = site.nodes.pop().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let config = ureq::Agent::config_builder()
                    .http_status_as_error(false)
                    .timeout_global(Some(Duration::from_secs(20)))
                    .build();
                let agent: ureq::Agent = config.into();
                while !stop.load(Ordering::Relaxed) {
                    let n = number.fetch_add(1, Ordering::Relaxed);
                    let id = &ids[10 + n as usize % 20];
                    // Each for itself in nginx, so that a node is asked; from many addresses, for nginx's own limits.
                    let request = agent
                        .get(format!("{base}/i/{id}/w_20,f_png?cb={n}"))
                        .header("x-forwarded-for", format!("198.51.{}.{}", n >> 8 & 0xff, n & 0xff));
                    let is_fine = request.call().is_ok_and(|mut reply| {
                        reply.status() == 200
                            && reply.body_mut().read_to_vec().is_ok_and(|body| body.len() > 50)
                    });
                    asked.fetch_add(1, Ordering::Relaxed);
                    failed.fetch_add(u32::from(!is_fine), Ordering::Relaxed);
                }
            });
        }
        let many = |count| within(Duration::from_secs(60), || asked.load(Ordering::Relaxed) >= count);
        many(1000);
        let home = victim.kill();
        many(2500);
        // It comes back at another port, which nginx does not know; the other two carry on.
        let back = home.start();
        within(Duration::from_secs(10), || back.metrics().get(UP) == Some(&1.0));
        many(3500);
        stop.store(true, Ordering::Relaxed);
        site.nodes.push(back);
    });
    let (asked, failed) = (asked.into_inner(), failed.into_inner());
    lap(&format!("{failed} of {asked} requests failed around a kill"));
    assert!(f64::from(failed) < 0.001 * f64::from(asked), "{failed} of {asked}\n{}", site.nginx.log());
    // A node that was away has missed nothing.
    let path = [format!("/i/{}/w_20,f_png", site.ids[6])];
    let wait = site.purge_by_api(&json!({"image": site.ids[6]}), &path);
    lap(&format!("and a purge took {wait:?}"));
}
