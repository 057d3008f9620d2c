//! `pixedge render`: what the name of the output says about its format, as the extension of a URL does.

use pixedge::codec::Format;

use crate::support::Home;

const PHOTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/sources/photo.jpg");

#[test]
fn the_output_s_extension_counts_where_the_spec_leaves_it_open() {
    let home = Home::new("");
    for (spec, name, format) in [
        ("_", "a.webp", Format::Webp),
        ("w_20", "a.png", Format::Png),
        ("f_auto", "a.webp", Format::Webp),
        ("w_20,f_auto", "a.avif", Format::Avif),
        ("w_20,f_auto", "a.JPEG", Format::Jpeg),
        ("w_20,f_png", "a.png", Format::Png),
        ("f_orig", "a.jpg", Format::Jpeg),
        ("_", "a.jpg", Format::Jpeg),
        ("w_20", "a.gif", Format::Gif),
    ] {
        home.run(&["render", PHOTO, spec, name]);
        let bytes = std::fs::read(home.path().join(name)).unwrap();
        assert_eq!(Format::sniff(&bytes), Some(format), "{spec} {name}");
    }
    for (spec, name, says) in [
        ("f_orig", "b.webp", "conflict"),
        ("f_png", "b.webp", "conflict"),
        ("w_20", "b.heic", "unsupported_option"),
        ("w_20", "b.txt", "name the output"),
        ("w_20", "b", "name the output"),
        ("w20", "b.png", "did you mean `w_20`"),
    ] {
        let output = home.command(&["render", PHOTO, spec, name]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{spec} {name}: {said}");
        assert!(said.contains(says) && !home.path().join(name).exists(), "{spec} {name}: {said}");
    }
}
