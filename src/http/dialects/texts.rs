//! The words of refusals in Chinese, by their codes. In English each fault has its own.

/// `None`: this one is said in English.
pub(super) fn chinese(code: &str) -> Option<&'static str> {
    WORDS.iter().find(|(known, _)| *known == code).map(|(_, words)| *words)
}

const WORDS: &[(&str, &str)] = &[
    ("album_not_found", "相册不存在"),
    ("bad_body", "请求内容不完整或格式错误"),
    ("bad_host", "请求缺少 Host"),
    ("bad_link", "链接无效、已被使用或已过期"),
    ("bad_token", "token无效或已被撤销"),
    ("bad_url", "图片地址无效"),
    ("bad_value", "参数错误"),
    ("banned", "请求过于频繁，请稍后再试"),
    ("forbidden_address", "该地址不允许访问"),
    ("internal", "服务器内部错误"),
    ("invalid_fields", "参数错误"),
    ("method_not_allowed", "不支持的请求方式"),
    ("missing_scope", "权限不足"),
    ("name_taken", "用户名或邮箱已存在"),
    ("not_an_image", "不支持的文件类型"),
    ("not_found", "资源不存在"),
    ("overloaded", "服务器繁忙，请稍后再试"),
    ("quota_exceeded", "存储空间不足"),
    ("rate_limited", "请求过于频繁，请稍后再试"),
    ("registration_closed", "注册未开放"),
    ("bad_invite", "注册未开放"),
    ("token_expired", "token已过期"),
    ("too_many_attempts", "尝试次数过多，请稍后再试"),
    ("too_many_bytes", "文件超过大小限制"),
    ("type_not_allowed", "不支持的文件类型"),
    ("unauthorized", "请先登录"),
    ("undecodable", "不支持的文件类型"),
    ("unsupported_media_type", "不支持的文件类型"),
    ("wrong_password", "用户名或密码错误"),
];
