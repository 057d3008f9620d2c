//! Tokens of mgek: had for an e-mail address, given back, and found again by mail.

use http::{Method, Response};
use serde_json::json;

use super::super::answer::ok;
use super::super::call::Fields;
use super::super::credentials::query_value;
use super::{done, failed, pages};
use crate::accounts::AccountsError;
use crate::delivery::body::Body;
use crate::error::{Fault as _, Kind};
use crate::http::api::call::{Call, Refused};

pub(super) async fn get_token(mut call: Call) -> Result<Response<Body>, Refused> {
    let fields = call.fields().await?;
    let refused = |text: &str| ok(&json!({ "token": "", "data": text, "type": "error" }));
    let Some(mail) = mail(&fields) else {
        return Ok(refused(call.pick("请提供邮箱", "give an e-mail address")));
    };
    match call.api().accounts.register_keyed(&mail, call.now).await {
        Ok((_, token)) => {
            let token = token.expose();
            Ok(ok(&json!({ "token": token, "data": token, "type": "ok" })))
        }
        Err(AccountsError::NameTaken) => {
            Ok(ok(&json!({ "token": "already exist", "data": "already exist", "type": "error" })))
        }
        Err(AccountsError::Invalid { .. }) => {
            Ok(refused(call.pick("邮箱格式错误", "this is no e-mail address")))
        }
        Err(error) => Err(error.into()),
    }
}

/// With a token at once, as clients do it; with the secret of a mail only by the button on a page, since programs that
/// look through mail open every link.
pub(super) async fn remove_token(call: Call) -> Result<Response<Body>, Refused> {
    let query = call.head.uri.query();
    let given = |name: &str| query_value(query, name).filter(|text| !text.is_empty());
    let (mail, token, check) = (given("mail"), given("token"), given("check"));
    match (mail, token, check) {
        (Some(mail), None, Some(check)) => pages::ask_remove(&call, &mail, &check).await,
        // Whoever only looks whether there is something does not mean it.
        (Some(_), Some(_), _) if call.head.method == Method::HEAD => Ok(done(&call, "", "")),
        (Some(mail), Some(token), _) => {
            match call.api().accounts.revoke_own_key(&mail, &token, call.now).await {
                Ok(()) => Ok(done(&call, "密钥删除成功", "the token was deleted")),
                Err(error) if is_wrong(error.kind()) => {
                    Ok(failed(&call, "密钥删除失败", "the token was not deleted"))
                }
                Err(error) => Err(error.into()),
            }
        }
        _ => Ok(failed(&call, "密钥删除失败,信息不全", "the token was not deleted: give `mail` and `token`")),
    }
}

pub(super) async fn mail_for_reset(mut call: Call) -> Result<Response<Body>, Refused> {
    let fields = call.fields().await?;
    let wrong = failed(&call, "请求找回错误", "no mail can be sent");
    let Some(mail) = mail(&fields).filter(|_| call.parts.dialects.sends_mail) else { return Ok(wrong) };
    match call.api().accounts.mail_key(&mail, call.language().tag(), call.now).await {
        // Nobody learns which addresses are known, nor which are none.
        Ok(()) | Err(AccountsError::Invalid { .. }) => {
            Ok(done(&call, "找回邮件已发送", "the mail is on its way"))
        }
        Err(error) => Err(error.into()),
    }
}

/// `maill` is what the description of old calls it.
fn mail(fields: &Fields) -> Option<String> {
    ["mail", "maill", "email"]
        .iter()
        .find_map(|name| fields.text(name))
        .filter(|mail| !mail.trim().is_empty())
}

fn is_wrong(kind: Kind) -> bool {
    matches!(kind, Kind::Unauthorized | Kind::Forbidden | Kind::NotFound | Kind::BadRequest | Kind::Expired)
}
