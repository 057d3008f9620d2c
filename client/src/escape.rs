//! What must be escaped where. A path is bytes and every byte that is not plain is escaped; a spec is already
//! written in the URL's own language, so its punctuation and its escapes are kept.

/// A segment of a path.
pub(crate) fn segment(text: &str) -> String {
    escaped(text, |_, b| is_unreserved(b))
}

/// A whole spec: `,` `/` `:` `=` and what is escaped already stay; spaces, `#`, `?`, quotes and everything that is not
/// ASCII are escaped.
pub(crate) fn spec(text: &str) -> String {
    escaped(text, |rest, b| match b {
        b'%' => rest.len() > 2 && rest[1..3].iter().all(u8::is_ascii_hexdigit),
        _ => is_unreserved(b) || b",/:=+!*()@;$&".contains(&b),
    })
}

/// One value of an option, in which `,` `/` `:` and `%` shall mean themselves.
pub fn value(text: &str) -> String {
    escaped(text, |_, b| is_unreserved(b) && b != b'~')
}

/// Free text as a value: `~` and base64url, which no proxy rewrites.
pub fn free_text(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut written = String::from("~");
    for chunk in text.as_bytes().chunks(3) {
        let mut bytes = [0; 3];
        bytes[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
        for digit in 0..=chunk.len() {
            written.push(char::from(ALPHABET[(bits >> (18 - 6 * digit) & 63) as usize]));
        }
    }
    written
}

fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-._~".contains(&b)
}

/// Escapes what `keep` does not want kept; it sees the rest of the bytes and the first of them.
fn escaped(text: &str, keep: impl Fn(&[u8], u8) -> bool) -> String {
    let bytes = text.as_bytes();
    let mut written = String::with_capacity(text.len());
    for (index, b) in bytes.iter().enumerate() {
        if keep(&bytes[index..], *b) {
            written.push(char::from(*b));
        } else {
            written.push_str(&format!("%{b:02X}"));
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_plain_bytes() {
        assert_eq!(segment("a-b_c.d~e"), "a-b_c.d~e");
        assert_eq!(segment("a b/c%20,:é"), "a%20b%2Fc%2520%2C%3A%C3%A9");
    }

    #[test]
    fn a_spec_keeps_its_punctuation_and_its_escapes() {
        assert_eq!(spec("w_300,h=20/g_fp:0.5:0.5"), "w_300,h=20/g_fp:0.5:0.5");
        assert_eq!(spec("t_a%2Cb,b_#fff,x_%,y_%2"), "t_a%2Cb,b_%23fff,x_%25,y_%252");
        assert_eq!(spec("l_ü ?"), "l_%C3%BC%20%3F");
    }

    #[test]
    fn a_value_means_itself() {
        assert_eq!(value("a,b/c:d%e~f"), "a%2Cb%2Fc%3Ad%25e%7Ef");
    }

    #[test]
    fn free_text_is_base64url_without_padding() {
        for (text, written) in [
            ("", "~"),
            ("f", "~Zg"),
            ("fo", "~Zm8"),
            ("foo", "~Zm9v"),
            ("foob", "~Zm9vYg"),
            ("??>", "~Pz8-"),
            ("é?", "~w6k_"),
        ] {
            assert_eq!(free_text(text), written);
        }
    }
}
