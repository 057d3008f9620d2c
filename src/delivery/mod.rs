//! A picture request, step by step: [`Delivery::picture`] is the read side on one screen.

mod answer;
mod bitmaps;
pub mod body;
pub mod conditional;
pub mod cors;
pub mod derive;
pub mod door;
mod error;
mod explain;
mod header;
pub mod hotlink;
pub mod keep;
mod link;
mod memo;
mod miss;
mod named;
pub mod negotiate;
mod origin;
mod personal;
mod policy;
mod rights;
pub mod respond;
pub mod signed;
mod sightings;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{HeaderMap, Method, Response};
use http_body::Body as _;

use self::answer::{settle, vary};
use self::bitmaps::Bitmaps;
use self::body::Body;
use self::conditional::{Extent, Precondition, Validators};
use self::cors::{AllowOrigin, Cors};
use self::derive::Derivatives;
use self::door::Door;
pub use self::error::DeliveryError;
use self::hotlink::Hotlink;
use self::memo::{Asked, Memo};
use self::miss::{Basis, Kitchen, Order};
use self::negotiate::Hints;
use self::origin::{Origins, Version};
use self::personal::Right;
pub use self::personal::{SharedAlbum, Shown};
pub use self::policy::Policies;
use self::respond::{CacheStatus, Content, Freshness, Picture, Vary};
use self::rights::now_s;
use self::sightings::Sightings;
use crate::auth::Keys;
use crate::cache::{Cache, Found, Key, LargeFile, Negative, Outcome};
use crate::codec::Limits;
use crate::error::{Fault as _, Quota};
use crate::library::{Image, Library};
use crate::limit::{self, Account, LimitError, Limiter};
use crate::source::{Ledger, Source, Sources};
use crate::telemetry::metrics::{CacheTier, Metrics};
use crate::transform::{Client, Haste, Presets, ResolveLimits, Subject};
use crate::workers::{Payer, Workers};

/// What the rooms below hand to delivery, and what configuration says about URLs.
pub struct Parts {
    pub library: Library,
    pub sources: Sources,
    pub cache: Arc<Cache<DeliveryError>>,
    pub workers: Workers,
    pub metrics: Arc<Metrics>,
    pub limiter: Arc<Limiter>,
    pub limits: Limits,
    pub max_result_side: u32,
    /// Bytes of decoded pixels that are kept for further widths.
    pub bitmap_cache: usize,
    pub presets: Presets,
    pub derivatives: Derivatives,
    pub policies: Policies,
    pub keys: Keys,
    pub door: Arc<dyn Door>,
    /// `None`: pages of everybody may embed pictures.
    pub hotlink: Option<Hotlink>,
    /// The source (or the library) that `/_ipx/` paths go to.
    pub ipx_source: Option<String>,
    /// Query keys that are nobody's business, such as `utm_source`.
    pub ignored_query: Vec<String>,
    pub cors: Cors,
    /// Base of canonical links, without a slash at the end.
    pub public_url: String,
    pub library_freshness: Freshness,
    /// Whether answers say how long each step took.
    pub tells_timing: bool,
}

/// The read side. Shared by all connections.
pub struct Delivery {
    memo: Memo,
    presets: Presets,
    derivatives: Derivatives,
    ipx_source: Option<String>,
    ignored_query: Vec<String>,
    policies: Policies,
    keys: Keys,
    door: Arc<dyn Door>,
    hotlink: Option<Hotlink>,
    origins: Arc<Origins>,
    cache: Arc<Cache<DeliveryError>>,
    /// Failures that would only repeat themselves, for at most [`NEGATIVE`].
    failures: Negative<Key, Arc<DeliveryError>>,
    kitchen: Kitchen,
    metrics: Arc<Metrics>,
    limiter: Arc<Limiter>,
    resolve_limits: ResolveLimits,
    cors: Cors,
    public_url: String,
    library_freshness: Freshness,
    tells_timing: bool,
    source_freshness: HashMap<String, Freshness>,
}

/// One request as it arrived.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub method: &'a Method,
    /// Raw, as sent.
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub headers: &'a HeaderMap,
    /// Who asks, in front of the proxies that we trust.
    pub client: IpAddr,
}

/// Left in the extensions of an answer, for the access log.
#[derive(Debug, Clone, Copy)]
pub struct Served(pub CacheStatus);

/// Who pays for a miss. Only who starts the work does: to wait for it, or to find it cached, is free.
#[derive(Clone)]
struct Bill {
    limiter: Arc<Limiter>,
    account: Account,
    /// What is left after the payment.
    charged: Arc<OnceLock<Quota>>,
}

/// How often a caller takes up the work that another one could not pay.
const OTHERS_REFUSED: u32 = 16;

const NEGATIVE: Duration = Duration::from_secs(10);
const REMEMBERED_FAILURES: std::num::NonZeroUsize = std::num::NonZeroUsize::new(10_000).unwrap();

impl Delivery {
    pub fn new(parts: Parts) -> Self {
        let Parts { library, sources, cache, workers, metrics, .. } = parts;
        let freshness = |source: &Source| {
            let terms = source.cache_control();
            (source.name().to_owned(), Freshness::new(terms.max_age.0, terms.stale_while_revalidate.0))
        };
        let source_freshness = sources.iter().map(freshness).collect();
        let ledger: Arc<dyn Ledger> = Arc::new(Sightings::new(Arc::clone(&cache)));
        sources.note_in(&ledger, &metrics);
        let origins = Arc::new(Origins::new(
            library,
            sources,
            parts.limits,
            Arc::clone(&metrics),
            workers.clone(),
            cache.originals().clone(),
        ));
        Self {
            memo: Memo::new(),
            presets: parts.presets,
            derivatives: parts.derivatives,
            ipx_source: parts.ipx_source,
            ignored_query: parts.ignored_query,
            policies: parts.policies,
            keys: parts.keys,
            door: parts.door,
            hotlink: parts.hotlink,
            kitchen: Kitchen {
                origins: Arc::clone(&origins),
                workers,
                metrics: Arc::clone(&metrics),
                bitmaps: Arc::new(Bitmaps::new(parts.bitmap_cache)),
            },
            origins,
            cache,
            failures: Negative::new(REMEMBERED_FAILURES),
            metrics,
            limiter: parts.limiter,
            resolve_limits: ResolveLimits { max_result_side: parts.max_result_side, haste: Haste::Waiting },
            cors: parts.cors,
            public_url: parts.public_url,
            library_freshness: parts.library_freshness,
            tells_timing: parts.tells_timing,
            source_freshness,
        }
    }

    /// `GET` and `HEAD` of a picture.
    pub async fn picture(&self, request: Request<'_>) -> Result<Response<Body>, DeliveryError> {
        let read = || self.memo.asked(request.path, request.query, || self.read(request));
        let (asked, account) = self.admit(request, read)?;
        // Its owner gets other bytes than everybody.
        if asked.is_original && self.door.knocks(request.headers) {
            let right = Box::pin(self.right(request, &asked)).await?;
            if right.is_personal() {
                return Box::pin(self.by(request, &asked, account, &right)).await;
            }
        }
        let answer = match &self.hotlink {
            Some(rules) if self.guards(&asked) && !rules.allows(request.headers) => {
                Err(DeliveryError::Hotlink)
            }
            _ => self.tries(request, &asked, account, &Right::Url).await,
        };
        match answer {
            Ok(answer) => Ok(answer),
            Err(error) => Box::pin(self.otherwise(request, &asked, account, error)).await,
        }
    }

    /// Whether other people's pages are kept from this target: signatures are given to those who may.
    fn guards(&self, asked: &Asked) -> bool {
        self.hotlink.is_some()
            && matches!(asked.target.subject, Subject::Image { .. })
            && !asked.caller.is_signed()
    }

    /// The picture by one right, as often as it takes.
    async fn tries(
        &self,
        request: Request<'_>,
        asked: &Asked,
        account: Account,
        right: &Right,
    ) -> Result<Response<Body>, DeliveryError> {
        let (mut changes, mut refusals) = (1, OTHERS_REFUSED);
        loop {
            let left = match self.attempt(request, asked, account, right, None).await {
                // The source has been asked anew meanwhile, so the second attempt sees the new version.
                Err(error) if changes > 0 && error.is_change() => &mut changes,
                // Somebody else was to pay for the picture that this caller waited for, and could not.
                Err(error)
                    if refusals > 0 && error.limited().is_some_and(|limit| limit.account() != account) =>
                {
                    &mut refusals
                }
                answer => return answer,
            };
            *left -= 1;
        }
    }

    /// The picture that is shown where the one that was asked for cannot be had; without any, why it cannot.
    async fn instead(
        &self,
        request: Request<'_>,
        asked: &Asked,
        account: Account,
        right: &Right,
        error: DeliveryError,
    ) -> Result<Response<Body>, DeliveryError> {
        match self.fallback(asked, &asked.client(client(request.headers)), right).await {
            Ok(Some(version)) => {
                match self.attempt(request, asked, account, right, Some(version)).await {
                    Ok(mut response) => {
                        respond::fallback(response.headers_mut(), error.code());
                        Ok(response)
                    }
                    // The first failure is what the caller has to know of.
                    Err(_) => Err(error),
                }
            }
            _ => Err(error),
        }
    }

    async fn attempt(
        &self,
        request: Request<'_>,
        asked: &Asked,
        account: Account,
        right: &Right,
        instead: Option<Version>,
    ) -> Result<Response<Body>, DeliveryError> {
        let client = asked.client(client(request.headers));
        // What is remembered is for everybody: neither made for one caller nor of another picture.
        let is_usual = !right.is_personal() && instead.is_none();
        let known = if is_usual { asked.answer(&client) } else { None };
        // A remembered answer was allowed; else nobody learns what exists before it is.
        let allowed = match known {
            Some(_) => None,
            None => Some(Box::pin(self.allow(asked, &client, right)).await?),
        };
        let version = match instead {
            None => {
                let opens = |image: &Image| right.opens(image, asked.caller.is_signed());
                self.origins.version(&asked.target.subject, opens).await?
            }
            Some(version) => version,
        };
        let (stale, left) = (version.is_stale(), version.left());
        let (answer, origin) = match known.filter(|known| known.version.is(&version)) {
            Some(known) => (known, None),
            None => {
                let (policy, spec) = match allowed {
                    Some(allowed) => allowed,
                    None => Box::pin(self.allow(asked, &client, right)).await?,
                };
                let origin = Box::pin(self.origins.origin(version)).await?;
                let named = Box::pin(self.named(&spec, &asked.caller, policy, right)).await?;
                let bill = named::bill_of(self, account);
                let answer = Box::pin(self.prepare(asked, &spec, (&origin, named), &client, &bill)).await?;
                let answer = Arc::new(answer);
                // An answer knows the version of one picture only; of others it could not tell that they changed.
                if is_usual && spec.named_pictures().next().is_none() {
                    asked.remember(client, Arc::clone(&answer));
                }
                (answer, Some(origin))
            }
        };

        let held = answer.etag.as_held(request.headers);
        let validators = Validators { etag: &held, last_modified: answer.last_modified.as_ref() };
        let mut picture = Picture {
            content_type: answer.content_type.clone(),
            validators,
            cache_control: match &answer.cache_control {
                Some(always) => always.clone(),
                None => self.cache_control(asked, &answer, left),
            },
            vary: answer.vary,
            // A private picture is for who asks, not for the scripts of others.
            allow_origin: if right.is_personal() || answer.is_private() {
                AllowOrigin::default()
            } else {
                self.cors.answer(request.headers)
            },
            cache_status: None,
            timing: None,
            extras: answer.extras.clone(),
        };
        let precondition = conditional::precondition(request.method, request.headers, validators);
        match precondition {
            Precondition::Proceed | Precondition::NotModifiedIfAny => {}
            Precondition::NotModified => return Ok(respond::not_modified(picture)),
            Precondition::Failed => return Ok(respond::precondition_failed(picture)),
        }

        let timing = Arc::new(OnceLock::new());
        let charged = Arc::new(OnceLock::new());
        let found = match self.cache.get_memory(&answer.key) {
            Some(found) => found,
            None => {
                let origin = match origin {
                    Some(origin) => origin,
                    None => Box::pin(self.origins.origin(answer.version.clone())).await?,
                };
                let bill =
                    Bill { limiter: Arc::clone(&self.limiter), account, charged: Arc::clone(&charged) };
                let order = Order::new(origin, answer.overlays.clone(), answer.plan.clone());
                let order = Order { timing: Arc::clone(&timing), ..order };
                Box::pin(self.get_or_render(answer.key, order, bill)).await?
            }
        };
        let status = match (found.outcome, stale) {
            (Outcome::Memory | Outcome::Disk, true) => CacheStatus::Stale,
            (outcome, _) => cache_status(outcome, self.cache.keeps(&found.entry)),
        };
        self.metrics.cache(if status == CacheStatus::Stale {
            CacheTier::Stale
        } else {
            found.outcome.tier()
        });
        let etag = Basis::of(&found.entry).map(|basis| answer.etag.variety(&basis));
        picture.validators.etag = etag.as_ref().unwrap_or(&answer.etag);
        picture.cache_status = Some(status);
        picture.timing = timing.get().filter(|_| self.tells_timing);
        if !answer.plan.output.rivals.is_empty() {
            settle(&mut picture, &asked.target, &found.entry);
        }
        if precondition == Precondition::NotModifiedIfAny {
            return Ok(respond::not_modified(picture));
        }
        let body = match &found.entry.file {
            None => Content::Whole(found.entry.body.clone()),
            Some(file) => Box::pin(content(request, file, picture.validators)).await?,
        };
        let mut response = respond::picture(request.method, request.headers, picture, body);
        if let Some(quota) = charged.get() {
            respond::rate_limit(response.headers_mut(), quota);
        }
        if respond::is_view(&response)
            && request.method == Method::GET
            && let Some(image) = answer.version.image()
        {
            let sent = response.body().size_hint().exact().unwrap_or(0);
            self.origins.library().note_view(image, sent, found.entry.len());
        }
        response.extensions_mut().insert(Served(status));
        if let Some(timing) = timing.get() {
            response.extensions_mut().insert(*timing);
        }
        Ok(response)
    }

    /// The answer to `OPTIONS`.
    pub fn preflight(&self, headers: &HeaderMap, methods: &'static str) -> Response<Body> {
        self.cors.preflight(headers, methods)
    }

    /// What links in answers begin with.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// How errors of pictures answer other origins.
    pub fn cors(&self) -> &Cors {
        &self.cors
    }

    /// What an answer to this request depends on beside its URL, whether it is a picture or the reason why there is none.
    pub fn vary(&self, request: Request<'_>) -> Vary {
        self.read(request).map(|(target, _)| vary(&target.spec)).unwrap_or_default()
    }

    /// Takes one token from an address, for what is no picture.
    pub fn pay(&self, address: IpAddr) -> Result<(), DeliveryError> {
        self.take(limit::Caller { address, key: None })?;
        Ok(())
    }

    /// The first steps of every request: who asks for what, held against the rates. The address pays before a signature
    /// is looked at, so that forging one costs the forger; a key pays only for signatures that are right.
    fn admit(
        &self,
        request: Request<'_>,
        read: impl FnOnce() -> Result<Arc<Asked>, DeliveryError>,
    ) -> Result<(Arc<Asked>, Account), DeliveryError> {
        let address = self.take(limit::Caller { address: request.client, key: None })?;
        let asked = read()?;
        if let Some(grant) = asked.caller.grant() {
            grant.check_time(now_s())?;
        }
        let account = match asked.caller.kid() {
            None => address,
            key => self.take(limit::Caller { address: request.client, key })?,
        };
        Ok((asked, account))
    }

    /// Takes what a request costs, and says who has paid.
    fn take(&self, caller: limit::Caller<'_>) -> Result<Account, LimitError> {
        let account = self.limiter.account(caller);
        match self.limiter.check(account, limit::REQUEST) {
            Ok(_) => Ok(account),
            Err(error) => {
                self.metrics.refused(error.reason());
                Err(error)
            }
        }
    }

    async fn get_or_render(&self, key: Key, order: Order, bill: Bill) -> Result<Found, DeliveryError> {
        if let Some(failure) = self.failures.get(&key, std::time::Instant::now()) {
            return Err(DeliveryError::Shared(failure));
        }
        let kitchen = self.kitchen.clone();
        let account = bill.account;
        let order = Order { payer: payer_of(account), ..order };
        let work = move |commit| async move {
            bill.pay(order.tokens())?;
            kitchen.cook(order, commit).await
        };
        match self.cache.get_or_render(key, work).await {
            Ok(found) => Ok(found),
            Err(error) => {
                if let Some(limit) = error.limited().filter(|limit| limit.account() == account) {
                    self.metrics.refused(limit.reason());
                }
                if error.is_lasting() {
                    self.failures.insert(key, Arc::clone(&error), NEGATIVE, std::time::Instant::now());
                }
                Err(DeliveryError::Shared(error))
            }
        }
    }
}

/// Who shares the workers is who shares the rates.
fn payer_of(account: Account) -> Payer {
    Payer::of(account.number())
}

impl Bill {
    fn pay(&self, tokens: u32) -> Result<(), LimitError> {
        if let Some(quota) = self.limiter.charge(self.account, tokens)? {
            let _ = self.charged.set(quota);
        }
        Ok(())
    }
}

fn client(headers: &HeaderMap) -> Client {
    let hints = Hints::from_headers(headers);
    Client { accepts: negotiate::accepts(headers), dpr: hints.dpr, width: hints.width }
}

/// A large result as a stream of the range that was asked for.
async fn content(
    request: Request<'_>,
    file: &Arc<LargeFile>,
    validators: Validators<'_>,
) -> Result<Content, DeliveryError> {
    let len = file.len();
    let extent = conditional::range(request.method, request.headers, validators, len);
    let range = match &extent {
        Extent::Full => 0..len,
        Extent::Partial(range) => *range.start()..*range.end() + 1,
        Extent::Unsatisfiable => 0..0,
    };
    let sent = range.end - range.start;
    let body = if request.method == Method::HEAD || sent == 0 {
        Body::empty()
    } else {
        let pieces = file.stream(range).await.map_err(DeliveryError::Cache)?;
        Body::sized(pieces, sent)
    };
    Ok(Content::Stream { body, extent, len })
}

fn cache_status(outcome: Outcome, kept: bool) -> CacheStatus {
    match outcome {
        Outcome::Memory => CacheStatus::Memory,
        Outcome::Disk => CacheStatus::Disk,
        Outcome::Miss => CacheStatus::Miss { stored: kept },
        Outcome::Collapsed => CacheStatus::Collapsed,
    }
}
/// A format as answers name it, and its media type, by the word that stands in a row.
pub fn words_of(format: &str) -> (String, String) {
    match crate::codec::Format::from_name(format) {
        Some(known) => (known.name().to_owned(), known.mime().to_owned()),
        // Of a newer version.
        None => (format.to_owned(), "application/octet-stream".to_owned()),
    }
}
