//! URLs by which somebody without keys may put one object of a known size and type into an S3 storage: AWS's signature
//! version 4 in the query. OpenDAL signs such URLs too, but without the length, so that anything could be sent.

use std::fmt::Write;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use url::Url;

use super::remote::Remote;
use crate::units::Secret;

/// A request that somebody else may make, as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presigned {
    pub method: &'static str,
    pub url: String,
    /// Headers that are signed along, to be sent with exactly these values. Browsers set `Content-Length` themselves.
    pub headers: Vec<(&'static str, String)>,
}

/// Signs for one bucket.
pub(super) struct Presigner {
    endpoint: Url,
    bucket: String,
    root: String,
    region: String,
    virtual_host: bool,
    access_key_id: String,
    secret_access_key: Secret,
    session_token: Option<Secret>,
}

impl Presigner {
    /// `None` where there are no keys to sign with.
    pub(super) fn of(remote: &Remote, root: &str) -> Option<Self> {
        Some(Self {
            endpoint: Url::parse(&remote.endpoint).ok()?,
            bucket: remote.bucket.clone(),
            root: root.trim_matches('/').to_owned(),
            region: remote.region.clone().unwrap_or_else(|| "us-east-1".to_owned()),
            virtual_host: remote.enable_virtual_host_style,
            access_key_id: remote.access_key_id.clone()?,
            secret_access_key: remote.secret_access_key.clone()?,
            session_token: remote.session_token.clone(),
        })
    }

    /// `now` in milliseconds since 1970. S3 takes at most a week.
    pub(super) fn put(
        &self,
        path: &str,
        size: u64,
        media_type: &str,
        expires: Duration,
        now: i64,
    ) -> Presigned {
        let headers =
            vec![("content-length", size.to_string()), ("content-type", media_type.trim().to_owned())];
        let url = self.sign("PUT", path, &headers, expires, now);
        Presigned { method: "PUT", url, headers }
    }

    fn sign(
        &self,
        method: &str,
        path: &str,
        headers: &[(&'static str, String)],
        expires: Duration,
        now: i64,
    ) -> String {
        let (host, uri) = self.place(path);
        let mut signed: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .chain([("host", host.as_str())])
            .collect();
        signed.sort_unstable();
        let names = signed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let lines: String = signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();

        let time = stamp(now);
        let day = &time[..8];
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let expires = expires.as_secs().clamp(1, 7 * 86_400).to_string();
        let credential = format!("{}/{scope}", self.access_key_id);
        let mut query = vec![
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", &time),
            ("X-Amz-Expires", &expires),
        ];
        if let Some(token) = &self.session_token {
            query.push(("X-Amz-Security-Token", token.expose()));
        }
        query.push(("X-Amz-SignedHeaders", &names));
        let query: Vec<String> =
            query.iter().map(|(name, value)| format!("{name}={}", encoded(value, RESERVED))).collect();
        let query = query.join("&");

        let request = format!("{method}\n{uri}\n{query}\n{lines}\n{names}\nUNSIGNED-PAYLOAD");
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(request)));
        let first = format!("AWS4{}", self.secret_access_key.expose());
        let key = [day, &self.region, "s3", "aws4_request"]
            .iter()
            .fold(first.into_bytes(), |key, part| mac(&key, part.as_bytes()));
        let signature = hex(&mac(&key, text.as_bytes()));
        format!("{}://{host}{uri}?{query}&X-Amz-Signature={signature}", self.endpoint.scheme())
    }

    /// Host and path of an object, as they go over the wire.
    fn place(&self, path: &str) -> (String, String) {
        let mut host = self.endpoint.host_str().unwrap_or_default().to_owned();
        if let Some(port) = self.endpoint.port() {
            let _ = write!(host, ":{port}");
        }
        let before = self.endpoint.path().trim_end_matches('/').to_owned();
        let (host, bucket) = if self.virtual_host {
            (format!("{}.{host}", self.bucket), String::new())
        } else {
            (host, format!("/{}", encoded(&self.bucket, RESERVED)))
        };
        let root = if self.root.is_empty() { String::new() } else { format!("/{}", self.root) };
        (host, format!("{before}{bucket}{}", encoded(&format!("{root}/{path}"), IN_PATHS)))
    }
}

/// All but the unreserved letters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const IN_PATHS: &AsciiSet = &RESERVED.remove(b'/');

fn encoded(text: &str, set: &'static AsciiSet) -> String {
    utf8_percent_encode(text, set).to_string()
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `20130524T000000Z`.
fn stamp(now: i64) -> String {
    let seconds = now.div_euclid(1000);
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

/// The date that many days after 1970-01-01. Years begin in March here, so that the day that comes and goes is the
/// last one, and 400 of them always have 146,097 days.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of AWS's own documentation of query parameters.
    #[test]
    fn signs_as_the_documentation_says() {
        let remote = Remote {
            endpoint: "https://s3.amazonaws.com".into(),
            bucket: "examplebucket".into(),
            region: Some("us-east-1".into()),
            access_key_id: Some("AKIAIOSFODNN7EXAMPLE".into()),
            secret_access_key: Some(Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")),
            enable_virtual_host_style: true,
            ..Remote::default()
        };
        let presigner = Presigner::of(&remote, "/").unwrap();
        let url = presigner.sign("GET", "test.txt", &[], Duration::from_secs(86_400), 1_369_353_600_000);
        assert_eq!(
            url,
            "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
             &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
             &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        );
    }

    #[test]
    fn times_are_told_right() {
        for (now, text) in [
            (0, "19700101T000000Z"),
            (951_782_399_000, "20000228T235959Z"),
            (951_782_400_999, "20000229T000000Z"),
            (1_709_251_200_000, "20240301T000000Z"),
            (1_798_761_599_000, "20261231T235959Z"),
            (4_107_542_400_000, "21000301T000000Z"),
        ] {
            assert_eq!(stamp(now), text);
        }
    }

    #[test]
    fn without_keys_nothing_is_signed() {
        let remote = Remote { endpoint: "https://s3.example".into(), ..Remote::default() };
        assert!(Presigner::of(&remote, "").is_none());
    }
}
