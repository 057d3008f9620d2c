//! The pages behind the links of mgek's mails: a GET asks, the button on it acts, once.

use http::{Response, StatusCode};
use maud::html;

use super::super::credentials::query_value;
use super::super::language::pick;
use crate::accounts::{AccountsError, User};
use crate::delivery::body::Body;
use crate::http::api::call::{Call, Refused};
use crate::http::links::{page_in, status_page};
use crate::units::Language;

/// Whether the account is to end that the address and the secret of a mail are of.
pub(super) async fn ask_remove(call: &Call, mail: &str, check: &str) -> Result<Response<Body>, Refused> {
    let language = call.language();
    match ending(call, mail, check).await {
        Ok(user) => {
            let ask = html! {
                p {
                    (pick(language, "将删除账户 ", "This ends the account "))
                    strong { (user.email.unwrap_or(user.name)) }
                    (pick(language, "，其图片移入回收站。", " and puts its pictures into the trash."))
                }
                form method="post" { button { (pick(language, "删除账户", "End the account")) } }
            };
            let title = pick(language, "删除账户？", "End the account?");
            Ok(page_in(language.tag(), StatusCode::OK, title, &ask))
        }
        Err(error) => refused(language, error),
    }
}

pub(super) async fn remove(call: Call) -> Result<Response<Body>, Refused> {
    let (language, query) = (call.language(), call.head.uri.query());
    let mail = query_value(query, "mail").unwrap_or_default();
    let check = query_value(query, "check").unwrap_or_default();
    let user = match ending(&call, &mail, &check).await {
        Ok(_) => call.api().accounts.delete_by_link(&check, call.now).await,
        Err(error) => Err(error),
    };
    match user {
        Ok(user) => {
            // The account has ended already; should this fail, its pictures are its administrator's to remove.
            if let Err(error) = call.api().library.trash_all_of(user.pk, call.now).await {
                tracing::error!(user = user.pk, %error, "the pictures of an account that ended are still there");
            }
            let said =
                html! { p { (pick(language, "密钥删除成功", "The token and the account are deleted.")) } };
            Ok(page_in(language.tag(), StatusCode::OK, pick(language, "完成", "Done"), &said))
        }
        Err(error) => refused(language, error),
    }
}

pub(super) async fn ask_recover(call: Call) -> Result<Response<Body>, Refused> {
    let language = call.language();
    let check = query_value(call.head.uri.query(), "check").unwrap_or_default();
    match call.api().accounts.recovery(&check, call.now).await {
        Ok(user) => {
            let ask = html! {
                p {
                    (pick(language, "为账户 ", "A new token for the account "))
                    strong { (user.email.unwrap_or(user.name)) }
                    (pick(language, " 生成新的密钥，旧密钥随即失效。", "; the old one ends."))
                }
                form method="post" { button { (pick(language, "生成新密钥", "Make a new token")) } }
            };
            Ok(page_in(language.tag(), StatusCode::OK, pick(language, "找回密钥", "Another token"), &ask))
        }
        Err(error) => refused(language, error),
    }
}

pub(super) async fn recover(call: Call) -> Result<Response<Body>, Refused> {
    let language = call.language();
    let check = query_value(call.head.uri.query(), "check").unwrap_or_default();
    match call.api().accounts.renew_key(&check, call.now).await {
        Ok((_, token)) => {
            let said = html! {
                p { (pick(language, "您的新密钥如下，仅显示一次，请妥善保存：", "This is your new token. It is shown once:")) }
                pre { code { (token.expose()) } }
            };
            Ok(page_in(language.tag(), StatusCode::OK, pick(language, "新的密钥", "Your new token"), &said))
        }
        Err(error) => refused(language, error),
    }
}

/// Whose account the secret ends, if the address is the account's.
async fn ending(call: &Call, mail: &str, check: &str) -> Result<User, AccountsError> {
    let user = call.api().accounts.deletion(check, call.now).await?;
    let is_same = user.email.as_ref().is_some_and(|known| *known == mail.trim().to_lowercase());
    if is_same { Ok(user) } else { Err(AccountsError::BadLink) }
}

/// People read it, so it is a page.
fn refused(language: Language, error: AccountsError) -> Result<Response<Body>, Refused> {
    let (title, text) = match &error {
        AccountsError::BadLink => (
            pick(language, "链接无效", "This did not work"),
            pick(
                language,
                "链接无效、已被使用或已过期，请重新请求邮件。",
                "The link is wrong, was used or has expired; ask for a new mail.",
            ),
        ),
        AccountsError::LastAdmin => (
            pick(language, "无法删除", "This did not work"),
            pick(
                language,
                "这是最后一个管理员账户。",
                "This is the last administrator; make another one first.",
            ),
        ),
        _ => return Err(error.into()),
    };
    Ok(status_page(language.tag(), &error, title, text))
}
