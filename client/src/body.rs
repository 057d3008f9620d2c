//! What is sent: bytes in memory or a part of a file, with somebody told how far it is.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek as _, SeekFrom};
use std::path::Path;

use crate::{Stop, Watch};

/// A body that can be sent again when the first try failed.
pub(crate) enum Body<'a> {
    None,
    Bytes(&'a [u8]),
    /// One file in a form, between what stands before and after it.
    Form {
        head: &'a [u8],
        file: &'a [u8],
        tail: &'a [u8],
    },
    /// A part of a file.
    Part {
        path: &'a Path,
        from: u64,
        len: u64,
    },
}

impl Body<'_> {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Form { head, file, tail } => (head.len() + file.len() + tail.len()) as u64,
            Self::Part { len, .. } => *len,
        }
    }

    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Its bytes, from the beginning.
    pub(crate) fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::None => Box::new(io::empty()),
            Self::Bytes(bytes) => Box::new(Cursor::new(bytes)),
            Self::Form { head, file, tail } => Box::new(head.chain(*file).chain(*tail)),
            Self::Part { path, from, len } => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(*from))?;
                Box::new(file.take(*len))
            }
        })
    }
}

/// Tells what goes by, and ends early when the user wants an end.
pub(crate) struct Watched<'a> {
    inner: Box<dyn Read + 'a>,
    watch: &'a dyn Watch,
    stop: &'a Stop,
    /// What was told, to be taken back when the try fails.
    pub(crate) sent: u64,
}

impl<'a> Watched<'a> {
    pub(crate) fn new(inner: Box<dyn Read + 'a>, watch: &'a dyn Watch, stop: &'a Stop) -> Self {
        Self { inner, watch, stop, sent: 0 }
    }
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_stopped() {
            return Err(io::Error::other("interrupted"));
        }
        let read = self.inner.read(buffer)?;
        self.sent += read as u64;
        self.watch.sent(i64::try_from(read).unwrap_or(0));
        Ok(read)
    }
}

/// A form with texts and one file, around the file's bytes.
pub(crate) fn form(file_name: &str, sha256: &str, texts: &[(&str, String)]) -> (String, Vec<u8>, Vec<u8>) {
    // No file holds its own hash in hexadecimal digits.
    let boundary = format!("pixedge-{}", &sha256[..32]);
    let mut head = String::new();
    for (name, text) in texts {
        head.push_str(&format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n"
        ));
    }
    let name = file_name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
    head.push_str(&format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    ));
    let tail = format!("\r\n--{boundary}--\r\n");
    (format!("multipart/form-data; boundary={boundary}"), head.into_bytes(), tail.into_bytes())
}
