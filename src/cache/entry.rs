//! What is kept under a key, and its form on disk.

use std::borrow::Cow;
use std::io::{Read, Write};
use std::sync::Arc;

use bytes::Bytes;
use foyer::{Code, Error, ErrorKind};

use super::LargeFile;

/// The bytes of one result or original, and what an answer needs to know about them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub body: Bytes,
    /// The media type of `body`.
    pub mime: Cow<'static, str>,
    /// Sides in pixels; 0 where they are not known.
    pub width: u32,
    pub height: u32,
    /// When these bytes were made, in milliseconds since 1970.
    pub created_ms: u64,
    /// When the original last changed, in milliseconds since 1970; `Last-Modified`.
    pub modified_ms: u64,
    /// From when on the entry is stale, in milliseconds since 1970. It stands here because the store has no expiry.
    pub expires_ms: Option<u64>,
    /// Whatever else the maker wants back.
    pub extra: Bytes,
    /// Where the bytes are if they are too many for `body`, which is empty then.
    pub file: Option<Arc<LargeFile>>,
}

impl Entry {
    /// Bytes of the result.
    pub fn len(&self) -> u64 {
        self.file.as_ref().map_or(self.body.len() as u64, |file| file.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_ms.is_some_and(|expires| expires <= now_ms)
    }

    /// What it costs in memory, in bytes.
    pub fn weight(&self) -> usize {
        size_of::<Self>() + RECORD_OVERHEAD + self.body.len() + self.extra.len() + self.mime.len()
    }

    /// What it costs on disk, in bytes, without the store's own header and padding.
    pub(super) fn encoded_len(&self) -> usize {
        HEADER + self.mime.len() + self.extra.len() + self.body.len()
    }
}

/// The memory tier's bookkeeping for one entry: record, index slot and key. An estimate.
const RECORD_OVERHEAD: usize = 256;

/// Changes with the layout below, so that another version's file is a miss and not a wrong picture.
const MAGIC: [u8; 4] = *b"PXE1";
const HEADER: usize = 4 + 4 + 4 + 8 + 8 + 8 + 2 + 4 + 4;

/// A length beyond this is a damaged file, not a reason to allocate.
const LONGEST: usize = 64 << 20;

/// An [`Entry`] as the disk store sees it.
#[derive(Debug, Clone)]
pub(super) struct Stored(pub(super) Arc<Entry>);

impl Code for Stored {
    fn encode(&self, writer: &mut impl Write) -> Result<(), Error> {
        let entry = &*self.0;
        let too_long = |_| Error::new(ErrorKind::OutOfRange, "a part of the entry is too long");
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&entry.width.to_le_bytes());
        header.extend_from_slice(&entry.height.to_le_bytes());
        header.extend_from_slice(&entry.created_ms.to_le_bytes());
        header.extend_from_slice(&entry.modified_ms.to_le_bytes());
        header.extend_from_slice(&entry.expires_ms.unwrap_or(u64::MAX).to_le_bytes());
        header.extend_from_slice(&u16::try_from(entry.mime.len()).map_err(too_long)?.to_le_bytes());
        header.extend_from_slice(&u32::try_from(entry.extra.len()).map_err(too_long)?.to_le_bytes());
        header.extend_from_slice(&u32::try_from(entry.body.len()).map_err(too_long)?.to_le_bytes());
        for part in [&header[..], entry.mime.as_bytes(), &entry.extra, &entry.body] {
            writer.write_all(part).map_err(Error::io_error)?;
        }
        Ok(())
    }

    fn decode(reader: &mut impl Read) -> Result<Self, Error> {
        let magic: [u8; 4] = array(reader)?;
        if magic != MAGIC {
            return Err(Error::new(ErrorKind::MagicMismatch, "not an entry of this version"));
        }
        let width = u32::from_le_bytes(array(reader)?);
        let height = u32::from_le_bytes(array(reader)?);
        let created_ms = u64::from_le_bytes(array(reader)?);
        let modified_ms = u64::from_le_bytes(array(reader)?);
        let expires_ms = Some(u64::from_le_bytes(array(reader)?)).filter(|&expires| expires != u64::MAX);
        let mime_len = u16::from_le_bytes(array(reader)?).into();
        let extra_len = u32::from_le_bytes(array(reader)?) as usize;
        let body_len = u32::from_le_bytes(array(reader)?) as usize;
        let mime = String::from_utf8(part(reader, mime_len)?)
            .map_err(|_| Error::new(ErrorKind::OutOfRange, "the media type is no text"))?;
        let extra = part(reader, extra_len)?.into();
        let body = part(reader, body_len)?.into();
        let mime = mime.into();
        Ok(Self(Arc::new(Entry {
            body,
            mime,
            width,
            height,
            created_ms,
            modified_ms,
            expires_ms,
            extra,
            file: None,
        })))
    }

    fn estimated_size(&self) -> usize {
        self.0.encoded_len()
    }
}

fn array<const N: usize>(reader: &mut impl Read) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes).map_err(truncated)?;
    Ok(bytes)
}

fn part(reader: &mut impl Read, len: usize) -> Result<Vec<u8>, Error> {
    if len > LONGEST {
        return Err(Error::new(ErrorKind::OutOfRange, "a part of the entry is too long"));
    }
    let mut bytes = Vec::with_capacity(len);
    let read = reader.take(len as u64).read_to_end(&mut bytes).map_err(truncated)?;
    if read == len { Ok(bytes) } else { Err(Error::new(ErrorKind::OutOfRange, "the entry is cut off")) }
}

/// A kind that the store answers with a miss instead of an error.
fn truncated(error: std::io::Error) -> Error {
    Error::new(ErrorKind::OutOfRange, "the entry is cut off").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(expires_ms: Option<u64>) -> Stored {
        Stored(Arc::new(Entry {
            body: Bytes::from(vec![7; 1000]),
            mime: "image/webp".into(),
            width: 640,
            height: 480,
            created_ms: 1_700_000_000_123,
            modified_ms: 1_600_000_000_000,
            expires_ms,
            extra: Bytes::from_static(b"xyz"),
            file: None,
        }))
    }

    #[test]
    fn comes_back_from_disk_as_it_went() {
        for stored in [stored(None), stored(Some(5))] {
            let mut bytes = Vec::new();
            stored.encode(&mut bytes).unwrap();
            assert_eq!(bytes.len(), stored.estimated_size());
            assert_eq!(Stored::decode(&mut bytes.as_slice()).unwrap().0, stored.0);
        }
    }

    #[test]
    fn damage_is_a_miss_and_never_a_panic_or_a_large_allocation() {
        let mut bytes = Vec::new();
        stored(None).encode(&mut bytes).unwrap();
        for cut in 0..bytes.len() {
            let error = Stored::decode(&mut &bytes[..cut]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::OutOfRange, "cut at {cut}");
        }
        let mut huge = bytes.clone();
        huge[HEADER - 4..HEADER].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Stored::decode(&mut huge.as_slice()).unwrap_err().kind(), ErrorKind::OutOfRange);
        bytes[0] ^= 1;
        assert_eq!(Stored::decode(&mut bytes.as_slice()).unwrap_err().kind(), ErrorKind::MagicMismatch);
    }

    #[test]
    fn expires_at_its_own_time() {
        assert!(!stored(None).0.is_expired(u64::MAX));
        assert!(!stored(Some(5)).0.is_expired(4));
        assert!(stored(Some(5)).0.is_expired(5));
    }
}
