//! What the pages behind links say, in each language.

use std::borrow::Cow;

use crate::accounts::AccountsError;
use crate::error::Fault;
use crate::units::Language;

/// Pairs stand before and behind the name of an account, or a link.
pub(super) struct Words {
    language: Language,
    pub(super) too_long: &'static str,
    pub(super) not_whole: &'static str,
    pub(super) failed: &'static str,
    pub(super) done: &'static str,
    pub(super) welcome: &'static str,
    pub(super) no_accounts: &'static str,
    pub(super) name: &'static str,
    pub(super) email: &'static str,
    pub(super) password: &'static str,
    pub(super) make: &'static str,
    pub(super) made: (&'static str, &'static str),
    pub(super) sign_in: (&'static str, &'static str),
    pub(super) what_else: &'static str,
    pub(super) new_password: &'static str,
    pub(super) another: (&'static str, &'static str),
    pub(super) password_field: &'static str,
    pub(super) change: &'static str,
    pub(super) changed: &'static str,
    pub(super) end: &'static str,
    pub(super) end_title: &'static str,
    pub(super) ends: (&'static str, &'static str),
    pub(super) ended: (&'static str, &'static str),
    pub(super) goodbye: &'static str,
    pub(super) delete: &'static str,
    pub(super) delete_title: &'static str,
    pub(super) unseen: &'static str,
    pub(super) deleted: &'static str,
    pub(super) trashed: (&'static str, &'static str),
}

const ENGLISH: Words = Words {
    language: Language::English,
    too_long: "Too long",
    not_whole: "The form did not arrive whole.",
    failed: "This did not work",
    done: "Done",
    welcome: "Welcome",
    no_accounts: "This server has no accounts yet. The first one administrates it.",
    name: "Name",
    email: "E-mail address, to recover the password by (optional)",
    password: "Password, at least 8 characters",
    make: "Make the account",
    made: ("You are ", ", and you administrate this server."),
    sign_in: ("Sign in with ", "; "),
    what_else: "what else there is",
    new_password: "New password",
    another: ("Another password for ", ". All sessions of this account will end."),
    password_field: "New password, at least 8 characters",
    change: "Change the password",
    changed: "The password is changed. Sign in with it.",
    end: "End the account",
    end_title: "End the account?",
    ends: ("This ends the account ", " and puts its pictures into the trash."),
    ended: ("The account ", " has ended, and its pictures are in the trash."),
    goodbye: "Goodbye",
    delete: "Delete the picture",
    delete_title: "Delete this picture?",
    unseen: ". Nobody will see it any more.",
    deleted: "Deleted",
    trashed: ("The picture ", " is in the trash of its owner."),
};

const CHINESE: Words = Words {
    language: Language::Chinese,
    too_long: "内容过长",
    not_whole: "表单没有完整送达。",
    failed: "操作未成功",
    done: "完成",
    welcome: "欢迎",
    no_accounts: "此服务器还没有账户。第一个账户将成为管理员。",
    name: "用户名",
    email: "邮箱地址，用于找回密码（可选）",
    password: "密码，至少 8 个字符",
    make: "创建账户",
    made: ("您是 ", "，此服务器的管理员。"),
    sign_in: ("登录接口：", "；"),
    what_else: "查看全部接口",
    new_password: "设置新密码",
    another: ("为账户 ", " 设置新密码。该账户的所有会话都将结束。"),
    password_field: "新密码，至少 8 个字符",
    change: "修改密码",
    changed: "密码已修改，请用新密码登录。",
    end: "注销账户",
    end_title: "注销账户？",
    ends: ("此操作将注销账户 ", "，并把其图片移入回收站。"),
    ended: ("账户 ", " 已注销，其图片已移入回收站。"),
    goodbye: "再见",
    delete: "删除图片",
    delete_title: "删除这张图片？",
    unseen: "。删除后将无人能看到它。",
    deleted: "已删除",
    trashed: ("图片 ", " 已移入其所有者的回收站。"),
};

impl Words {
    pub(super) fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &ENGLISH,
            Language::Chinese => &CHINESE,
        }
    }

    pub(super) fn tag(&self) -> &'static str {
        self.language.tag()
    }

    /// An error as whoever filled in the form should read it. Its code stays the same in every language.
    pub(super) fn error(&self, error: &AccountsError) -> Cow<'static, str> {
        if self.language == Language::English {
            return error.message();
        }
        Cow::Borrowed(match error {
            AccountsError::Invalid { field: "password", .. } => "密码长度须为 8 到 128 个字符。",
            AccountsError::Invalid { field: "email", .. } => "邮箱地址无效。",
            AccountsError::Invalid { field: "username" | "name", .. } => {
                "用户名无效：1 到 64 个字符，不能含有 @ 和控制字符。"
            }
            other => return self.refusal(other),
        })
    }

    /// The same of what is no matter of a field.
    pub(super) fn refusal(&self, error: &dyn Fault) -> Cow<'static, str> {
        if self.language == Language::English {
            return error.message();
        }
        Cow::Borrowed(match error.code() {
            "bad_link" => "链接无效、已使用或已过期，请重新申请。",
            "name_taken" => "该用户名或邮箱地址已被使用。",
            "too_many_attempts" => "尝试次数过多，请稍后再试。",
            "last_admin" => "这是最后一位管理员，请先指定另一位。",
            "not_found" => "图片不存在，或链接无效。",
            code => return Cow::Owned(format!("出了问题，请稍后再试（{code}）。")),
        })
    }
}
