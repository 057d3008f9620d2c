//! The pages of `examples/` in Chromium: which candidate it takes at several widths and densities, and that each is there.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::ROOT;
use crate::support::chromium::Chromium;
use crate::support::web::{Web, answer};
use crate::support::{Home, Server};

/// Those whose page is made from a component; `html` is written by hand.
pub(crate) const FRAMEWORKS: [&str; 8] =
    ["react", "next", "nuxt", "unpic", "vue", "svelte", "astro", "eleventy"];

/// The address that the examples name.
const ADDRESS: &str = "http://127.0.0.1:8080";

/// Density of the screen and width of the window.
const SCREENS: [(u8, &[u32]); 3] = [(1, &[320, 640, 1000]), (2, &[320, 640]), (3, &[320])];

/// Shows one page after the other in a frame of each width, and reports what every picture became.
const HARNESS: &str = "<!doctype html><meta charset=utf-8><title>frames</title><style>iframe { border: 0 }</style><script type=module>
const told = []
const shown = async (page, width) => {
  const frame = document.createElement('iframe')
  frame.width = width
  frame.height = 700
  frame.src = '/page/' + page + '/' + width
  document.body.append(frame)
  await new Promise(resolve => frame.onload = resolve)
  const images = [...frame.contentDocument.images]
  const until = Date.now() + 60000
  while (images.some(image => !image.naturalWidth) && Date.now() < until) await new Promise(resolve => setTimeout(resolve, 10))
  told.push({ page, width, images: images.map(image => ({ src: image.currentSrc, width: image.naturalWidth })) })
  frame.remove()
}
for (const width of WIDTHS) for (const page of PAGES) await shown(page, width)
await fetch('/told', { method: 'POST', body: btoa(unescape(encodeURIComponent(JSON.stringify({ density: devicePixelRatio, told })))) })
</script><body>";

/// What the page of every width told, at a density of the screen.
fn seen(chromium: &Chromium, server: &Server, density: u8, widths: &[u32]) -> Value {
    let read = |file: String| {
        let page = std::fs::read_to_string(format!("{ROOT}/examples/{file}")).unwrap();
        assert!(page.contains(ADDRESS), "{file}");
        // What is lazy waits for a frame to be drawn, and on a busy machine that takes long.
        page.replace(" loading=\"lazy\"", "")
    };
    let mut pages: BTreeMap<_, _> =
        FRAMEWORKS.map(|framework| (framework, read(format!("{framework}/page.html")))).into();
    pages.insert("html", read("html/index.html".to_owned()));
    let names = json!(pages.keys().collect::<Vec<_>>()).to_string();
    let harness = HARNESS.replace("WIDTHS", &json!(widths).to_string()).replace("PAGES", &names);
    let port = server.address().rsplit(':').next().unwrap().to_owned();
    // Chromium takes a larger candidate that it has already, so every frame has a name of its own for the server.
    let page_of = move |target: &str| {
        if target == "/" {
            return Some(harness.clone());
        }
        let (page, width) = target.strip_prefix("/page/")?.split_once('/')?;
        Some(pages.get(page)?.replace(ADDRESS, &format!("http://{page}-{width}.localhost:{port}")))
    };
    let (tell, told) = mpsc::channel();
    let web = Web::start(move |request| match page_of(&request.target) {
        Some(page) => {
            answer(request, "200 OK", &[("Content-Type", "text/html; charset=utf-8")], page.as_bytes())
        }
        None if request.target == "/told" => {
            let _ = tell.send(request.body.clone());
            answer(request, "204 No Content", &[], b"")
        }
        None => answer(request, "404 Not Found", &[], b""),
    });
    let scale = format!("--force-device-scale-factor={density}");
    let browser = chromium.open(&web.url(), &[&scale, "--window-size=1100,800"]);
    let told = told.recv_timeout(Duration::from_secs(300));
    drop(browser);
    let text = STANDARD.decode(told.expect("the frames told nothing")).unwrap();
    let seen: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(seen["density"], f64::from(density));
    seen["told"].clone()
}

/// The first listed width that is no narrower than what is needed in the screen's own pixels.
fn widths(list: &[u32], needed: u32) -> u32 {
    list.iter().copied().find(|width| *width >= needed).unwrap_or(list[list.len() - 1])
}

const USUAL: [u32; 5] = [320, 640, 960, 1280, 1920];

/// What each picture of a page is to be, in the order of the page, without the server's address.
fn expected(page: &str, width: u32, density: u32) -> Vec<String> {
    let usual = widths(&USUAL, width * density);
    match page {
        "html" => {
            let square = if density == 1 { "" } else { ",dpr_2" };
            let crop = if width <= 400 { "w_400,h_400,c_fill" } else { "w_640,h_256,c_fill" };
            let half = widths(&[160, 320, 640], width * density / 2);
            vec![
                format!("/i/demo/w_{usual}"),
                format!("/i/demo/w_120,h_120,c_fill{square}"),
                "/i/demo/w_640,f_avif".to_owned(),
                format!("/i/demo/{crop}"),
                format!("/i/demo-parrots/w_{half},q_auto%3Aeco"),
                format!("/i/demo-portrait/w_{half},q_auto%3Aeco"),
            ]
        }
        "eleventy" => vec![format!("/i/demo/w_{usual}")],
        "next" => {
            let width = widths(&[640, 750, 828, 1080, 1200, 1920, 2048, 3840], width * density);
            vec![format!("/i/demo/w_{width}")]
        }
        // Never wider than 640 on the page.
        "nuxt" => {
            let size = ["320x240", "640x480", "1280x960"];
            let width = widths(&[320, 640, 1280], width.min(640) * density);
            let size = size.iter().find(|size| size.starts_with(&width.to_string())).unwrap();
            vec![format!("/_ipx/q_75&s_{size}/demo")]
        }
        "unpic" => {
            let width = widths(&[640, 750, 828, 960, 1080, 1280], width.min(640) * density);
            vec![format!("/i/demo/s_{width}x{}", (f64::from(width) * 0.75).round())]
        }
        _ => vec![format!("/i/demo/w_{usual},f_avif")],
    }
}

#[test]
fn chromium_takes_the_right_candidate_of_every_example() {
    let Some(chromium) = Chromium::find("frontends") else { return };
    let server = Home::demo().start();
    for (density, widths) in SCREENS {
        let seen = seen(&chromium, &server, density, widths);
        let frames = seen.as_array().unwrap();
        assert_eq!(frames.len(), widths.len() * (FRAMEWORKS.len() + 1));
        for frame in frames {
            let (page, width) = (frame["page"].as_str().unwrap(), frame["width"].as_u64().unwrap() as u32);
            let images = frame["images"].as_array().unwrap();
            let path = |image: &Value| {
                let url = image["src"].as_str().unwrap();
                url.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap_or_default()
            };
            let taken: Vec<_> = images.iter().map(path).collect();
            let right = expected(page, width, density.into());
            assert_eq!(taken, right, "{page}, {width} wide, density {density}");
            assert!(images.iter().all(|image| image["width"].as_u64() > Some(0)), "{frame}");
        }
    }
    // Whatever else the pages asked for was there as well.
    let failed: Vec<_> = server
        .metrics()
        .into_iter()
        .filter(|(name, _)| name.starts_with("pixedge_requests_total{") && !name.contains("status=\"2"))
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn a_picture_without_avif_is_webp() {
    let Some(chromium) = Chromium::find("frontends") else { return };
    let server = Home::demo().start();
    let url = server.url.clone();
    let page = format!(
        "<!doctype html><body><script type=module>
        import {{ picture }} from '{url}/assets/pixedge.js'
        const image = new Image(), {{ sources, img }} = picture('demo', 'w_{{}},h_90,c_fill', [120, 240], ['nonsense', 'webp'])
        const element = document.createElement('picture')
        element.append(...sources.map(source => Object.assign(document.createElement('source'), source, {{ sizes: '120px' }})), image)
        document.body.append(element)
        Object.assign(image, img)
        image.onload = image.onerror = event =>
          fetch('/told', {{ method: 'POST', body: event.type + ' ' + image.currentSrc }})
        </script>"
    );
    let (tell, told) = mpsc::channel();
    let web = Web::start(move |request| {
        if request.target == "/told" {
            let _ = tell.send(String::from_utf8_lossy(&request.body).into_owned());
        }
        answer(request, "200 OK", &[("Content-Type", "text/html")], page.as_bytes())
    });
    let browser = chromium.open(&web.url(), &[]);
    let told = told.recv_timeout(Duration::from_secs(300)).unwrap();
    drop(browser);
    assert_eq!(told, format!("load {url}/i/demo/w_120,h_90,c_fill,f_webp"));
}
