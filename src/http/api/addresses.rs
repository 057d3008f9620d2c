//! Which addresses are answered, beside what the configuration says: `/v1/admin/addresses`, and who is kept out for a
//! while: `/v1/admin/bans`.

use http::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answer::{created, nothing, ok};
use super::call::{Call, Refused};
use super::endpoint::Endpoint;
use super::schema::Invalid;
use super::time::Time;
use crate::accounts::Scope;
use crate::admin::{AddressRule, Verdict};
use crate::delivery::body::Body;
use crate::limit::Ban;
use crate::units::Cidr;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/v1/admin/addresses", "adminListAddresses", "What was decided at run time", |call| {
        Box::pin(list(call))
    })
    .scope(Scope::Admin)
    .gives::<RuleList>(200, "The entries, oldest first"),
    Endpoint::post(
        "/v1/admin/addresses",
        "adminAddAddress",
        "Lets a block of addresses in, or keeps it out",
        |call| Box::pin(add(call)),
    )
    .scope(Scope::Admin)
    .json::<RuleWish>()
    .gives::<RuleAnswer>(201, "The entry; it holds here at once and on other nodes within a second"),
    Endpoint::delete("/v1/admin/addresses", "adminRemoveAddress", "Takes an entry away", |call| {
        Box::pin(remove(call))
    })
    .scope(Scope::Admin)
    .query::<Named>()
    .gives_nothing(204, "It is gone, or there was none"),
    Endpoint::get(
        "/v1/admin/bans",
        "adminListBans",
        "Addresses that this node keeps out by `http.ban`",
        |call| Box::pin(banned(call)),
    )
    .scope(Scope::Admin)
    .gives::<BanList>(200, "The bans that hold now, the longest first"),
    Endpoint::delete(
        "/v1/admin/bans",
        "adminLiftBans",
        "Ends the bans of addresses within a block",
        |call| Box::pin(lift(call)),
    )
    .scope(Scope::Admin)
    .query::<Within>()
    .gives_nothing(204, "None of them is banned by this node"),
];

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum VerdictWord {
    /// Once there is such an entry, only addresses that one lets in are answered.
    Allow,
    /// Outranks `allow`.
    Deny,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RuleWish {
    verdict: VerdictWord,
    /// An address, or a block like `203.0.113.0/24`.
    #[schemars(length(min = 2, max = 64))]
    block: String,
    /// Why.
    #[serde(default)]
    #[schemars(length(max = 500))]
    note: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Named {
    verdict: VerdictWord,
    #[schemars(length(min = 2, max = 64))]
    block: String,
}

#[derive(Serialize, JsonSchema)]
struct RuleAnswer {
    verdict: VerdictWord,
    block: String,
    note: String,
    created_at: Time,
}

#[derive(Serialize, JsonSchema)]
struct RuleList {
    addresses: Vec<RuleAnswer>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Within {
    /// An address, or a block like `203.0.113.0/24`.
    #[schemars(length(min = 2, max = 64))]
    block: String,
}

#[derive(Serialize, JsonSchema)]
struct BanAnswer {
    /// Of IPv6 a /64.
    block: String,
    until: Time,
}

#[derive(Serialize, JsonSchema)]
struct BanList {
    bans: Vec<BanAnswer>,
}

async fn list(call: Call) -> Result<Response<Body>, Refused> {
    let rules = call.parts.addresses.rules().await?;
    Ok(ok(&RuleList { addresses: rules.iter().map(RuleAnswer::of).collect() }))
}

async fn add(mut call: Call) -> Result<Response<Body>, Refused> {
    let wish: RuleWish = call.json().await?;
    let rule = AddressRule {
        verdict: wish.verdict.verdict(),
        block: block(&wish.block)?,
        note: wish.note,
        created_at: call.now,
    };
    if matches!(rule.verdict, Verdict::Deny) && rule.block.contains(call.client) {
        return Err(Invalid::one("block", "holds the address that you ask from").into());
    }
    call.parts.addresses.add(&rule).await?;
    let detail = format!("{} {}", rule.verdict.as_str(), rule.note);
    call.admin().note(call.actor()?, "address.add", &rule.block.to_string(), &detail, call.now).await?;
    Ok(created(&RuleAnswer::of(&rule)))
}

async fn remove(call: Call) -> Result<Response<Body>, Refused> {
    let Named { verdict, block: named } = call.query()?;
    let (verdict, block) = (verdict.verdict(), block(&named)?);
    if call.parts.addresses.remove(verdict, block).await? {
        let admin = call.admin();
        admin.note(call.actor()?, "address.remove", &block.to_string(), verdict.as_str(), call.now).await?;
    }
    Ok(nothing())
}

async fn banned(call: Call) -> Result<Response<Body>, Refused> {
    let bans = call.parts.bans.as_ref().map_or_else(Vec::new, |bans| bans.list(call.now));
    let answer = |ban: Ban| BanAnswer { block: ban.block.to_string(), until: Time(ban.until) };
    Ok(ok(&BanList { bans: bans.into_iter().map(answer).collect() }))
}

async fn lift(call: Call) -> Result<Response<Body>, Refused> {
    let Within { block: named } = call.query()?;
    let block = block(&named)?;
    if call.parts.bans.as_ref().is_some_and(|bans| bans.lift(block) > 0) {
        call.admin().note(call.actor()?, "ban.lift", &block.to_string(), "", call.now).await?;
    }
    Ok(nothing())
}

fn block(text: &str) -> Result<Cidr, Invalid> {
    text.parse().map_err(|_| Invalid::one("block", "is no address and no block like `203.0.113.0/24`"))
}

impl VerdictWord {
    fn verdict(self) -> Verdict {
        match self {
            Self::Allow => Verdict::Allow,
            Self::Deny => Verdict::Deny,
        }
    }
}

impl RuleAnswer {
    fn of(rule: &AddressRule) -> Self {
        let verdict = match rule.verdict {
            Verdict::Allow => VerdictWord::Allow,
            Verdict::Deny => VerdictWord::Deny,
        };
        let (block, note) = (rule.block.to_string(), rule.note.clone());
        Self { verdict, block, note, created_at: Time(rule.created_at) }
    }
}
