//! What happens when many ask at once: one source read, one decode and one encode for one picture; bounded memory for
//! many; a clear refusal beyond the queue.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use pixedge::codec::{Bitmap, Format, Layout};

use crate::support::pictures::{encode, encoded, header};
use crate::support::{Home, Server};

/// A server with a folder source `pics` of `count` JPEGs, which are different pictures by their names.
fn with_pictures(config: &str, count: u32, width: u32, height: u32) -> Server {
    let home =
        Home::new(&format!("sources: {{ pics: {{ scheme: fs, root: pics, unsigned: open }} }}\n{config}"));
    std::fs::create_dir(home.path().join("pics")).unwrap();
    let bytes = encoded(Format::Jpeg, width, height, 1);
    for number in 0..count {
        std::fs::write(home.path().join(format!("pics/{number}.jpg")), &bytes).unwrap();
    }
    home.start()
}

/// Asks for every path at the same time and returns the statuses.
fn all_at_once(server: &Server, paths: &[String]) -> Vec<u16> {
    let barrier = Barrier::new(paths.len());
    std::thread::scope(|scope| {
        let threads: Vec<_> = paths
            .iter()
            .map(|path| {
                scope.spawn(|| {
                    barrier.wait();
                    server.get(path).status
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn two_hundred_identical_misses_are_one_read_one_decode_one_encode() {
    let server = with_pictures("", 1, 3000, 2000);
    let paths = vec!["/r/pics/w_300,f_webp/0.jpg".to_owned(); 200];
    let statuses = all_at_once(&server, &paths);
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    for counter in ["pixedge_source_reads_total", "pixedge_decodes_total", "pixedge_encodes_total"] {
        assert_eq!(server.count(counter), 1.0, "{counter}: {:?}", server.metrics());
    }
}

#[test]
fn crops_use_a_decode_that_is_there() {
    let server = with_pictures("", 1, 1600, 1200);
    assert_eq!(server.get("/r/pics/w_200,f_webp/0.jpg").status, 200);
    for crop in ["w_100,h_100,c_fill", "ex_0.1:0.1:0.5:0.5,w_60", "w_80,h_120,c_thumb,g_e"] {
        let reply = server.get(&format!("/r/pics/{crop},f_webp/0.jpg"));
        assert_eq!(reply.status, 200, "{crop}");
    }
    assert_eq!(server.count("pixedge_decodes_total"), 1.0, "{:?}", server.metrics());
    // More than was decoded is asked of the file.
    assert_eq!(server.get("/r/pics/ex_0.1:0.1:0.5:0.5,w_700,f_webp/0.jpg").status, 200);
    assert_eq!(server.count("pixedge_decodes_total"), 2.0);
}

#[test]
fn a_srcset_is_one_read_and_one_decode() {
    let server = with_pictures("images: { queue: 60s, timeout: 120s }\n", 2, 4000, 3000);
    let widths = [320, 480, 640, 800, 960, 1280, 1600, 1920];
    let paths: Vec<String> =
        widths.iter().map(|width| format!("/r/pics/w_{width},q_80,f_webp/0.jpg")).collect();
    // Connected before, as a browser is that has read the page: what counts is when the requests come.
    let mut clients: Vec<TcpStream> =
        paths.iter().map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    for (client, path) in clients.iter_mut().zip(&paths) {
        write!(client, "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    }
    for client in &mut clients {
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert!(
            answer.starts_with(b"HTTP/1.1 200 "),
            "{}",
            String::from_utf8_lossy(&answer[..answer.len().min(900)])
        );
    }
    for counter in ["pixedge_source_reads_total", "pixedge_decodes_total"] {
        assert_eq!(server.count(counter), 1.0, "{counter}: {:?}", server.metrics());
    }
    assert_eq!(server.count("pixedge_encodes_total"), 8.0);
    for (path, width) in paths.iter().zip(widths) {
        assert_eq!(header(&server.get(path).body).width, width);
    }
    // A width that comes later needs no decode either.
    let later = server.get("/r/pics/w_500,q_80,f_webp/0.jpg");
    assert_eq!((later.status, server.count("pixedge_decodes_total")), (200, 1.0));
    assert_eq!(server.metrics()["pixedge_bitmap_cache_total{hit=\"true\"}"], 8.0);

    // Bytes from a common decode may differ from those of a decode of their own, so their tag does.
    assert!(!server.get("/r/pics/w_320,q_80,f_webp/1.jpg").header("etag").contains("x3000"));
    let shared = server.get(&paths[0]).header("etag").to_owned();
    let own = format!("{}\"", shared.strip_suffix("-4000x3000\"").expect("a tag of its own"));
    for (tag, part) in [(&shared, 206), (&own, 200)] {
        let answer = server.get_with(&paths[0], &[("If-None-Match", tag)]);
        assert_eq!((answer.status, answer.header("etag")), (304, &**tag));
        let answer = server.get_with(&paths[0], &[("If-Range", tag), ("Range", "bytes=0-9")]);
        assert_eq!((answer.status, answer.header("etag")), (part, &*shared), "{tag}");
    }
}

#[test]
fn memory_stays_flat_under_many_different_large_misses() {
    let server = with_pictures("cache: { memory: 32MiB, disk: 256MiB }\n", 32, 4000, 3000);
    assert_eq!(server.get("/r/pics/w_16,f_jpg/0.jpg").status, 200);
    server.reset_peak_rss();
    let paths: Vec<String> = (0..32).map(|seed| format!("/r/pics/w_300,f_jpg/{seed}.jpg")).collect();
    let statuses = all_at_once(&server, &paths);
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    let peak = server.peak_rss() / 1_000_000;
    eprintln!("peak resident memory under 32 distinct 12 MP JPEG misses: {peak} MB");
    assert!(peak <= 100, "{peak} MB");
}

#[test]
fn beyond_the_queue_is_a_503_with_retry_after_and_hits_go_on() {
    let server = with_pictures("images: { workers: 1, queue: 500ms }\n", 40, 4000, 3000);
    assert_eq!(server.get("/r/pics/w_10,f_jpg/0.jpg").status, 200);
    let paths: Vec<String> = (0..40).map(|seed| format!("/r/pics/w_1000,f_avif/{seed}.jpg")).collect();
    let statuses = all_at_once(&server, &paths);
    assert!(statuses.iter().all(|status| matches!(status, 200 | 503)), "{statuses:?}");
    assert!(statuses.contains(&503), "nothing was refused");
    assert!(statuses.contains(&200), "nothing was served");
    assert_eq!(server.get("/r/pics/w_10,f_jpg/0.jpg").header("cache-status"), "pixedge; hit; detail=memory");
    assert!(server.count("pixedge_refused_total") >= 1.0);
}

#[test]
fn work_that_nobody_waits_for_ends_with_its_step() {
    let server = with_pictures("images: { workers: 1, queue: 60s, timeout: 120s }\n", 2, 1600, 1200);
    let steps = ["median_9"; 4].join("/");
    // What this test relies on: the same in small is fine, so the large one is not refused.
    assert_eq!(server.get(&format!("/r/pics/w_20/{steps}/f_png/1.jpg")).status, 200);
    let mut clients: Vec<TcpStream> = Vec::new();
    for width in [1600, 1599] {
        let mut client = TcpStream::connect(server.address()).unwrap();
        write!(client, "GET /r/pics/{steps}/w_{width},f_png/0.jpg HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        clients.push(client);
        // The first is being made, and takes seconds; the second waits for the worker.
        let begun = Instant::now();
        while server.count("pixedge_decodes_total") < 2.0 {
            assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", server.metrics());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    drop(clients);
    // The only worker is free as soon as the step has ended, and the one that waited for it has left the queue.
    assert_eq!(server.get("/r/pics/w_60,f_webp/1.jpg").status, 200);
    let metrics = server.metrics();
    assert_eq!(server.count("pixedge_encodes_total"), 2.0, "{metrics:?}");
}

#[test]
fn a_large_original_is_sent_from_a_file_and_not_from_memory() {
    let home = Home::new("sources: { pics: { scheme: fs, root: pics, unsigned: open } }\n");
    std::fs::create_dir(home.path().join("pics")).unwrap();
    std::fs::write(home.path().join("pics/noise.png"), noise(2600, 2600)).unwrap();
    let server = home.start();
    let path = "/r/pics/f_orig,md_none/noise.png";
    let whole = server.get(path);
    assert_eq!((whole.status, whole.header("cache-status")), (200, "pixedge; fwd=miss; stored"));
    assert!(whole.body.len() > 16 << 20, "{}", whole.body.len());
    let before = server.rss();

    // Clients that take the head of the answer and then nothing for a while.
    let mut slow: Vec<TcpStream> = (0..12).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    for client in &mut slow {
        write!(client, "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
        let mut head = [0; 1000];
        client.read_exact(&mut head).unwrap();
        let head = String::from_utf8_lossy(&head);
        assert!(head.contains("cache-status: pixedge; hit; detail=disk"), "{head}");
    }
    let grown = server.rss().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes for twelve clients that wait");
    drop(slow);

    let part = server.get_with(path, &[("Range", "bytes=-1000")]);
    assert_eq!((part.status, part.header("content-length")), (206, "1000"));
    assert!(part.body == whole.body[whole.body.len() - 1000..]);
    let beyond = server.get_with(path, &[("Range", "bytes=99999999-")]);
    assert_eq!(beyond.status, 416);
    let head = server.request("HEAD", path, &[]);
    assert_eq!((head.status, head.header("content-length")), (200, whole.header("content-length")));
    assert_eq!(server.count("pixedge_source_reads_total"), 1.0);
}

/// A PNG that does not get smaller.
fn noise(width: u32, height: u32) -> Vec<u8> {
    let mut state = 1_u32;
    let byte = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let data = (0..width * height * 3).map(byte).collect();
    encode(&Bitmap { width, height, layout: Layout::Rgb, data }, Format::Png)
}
