//! Settings as the seeds' systems write them: JSON, `KEY=value` lines, and assignments in Python.

use serde_json::Value;

/// One key of a file with its value as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    /// As in the file, with dots and indexes: `users[0].name`.
    pub(super) key: String,
    /// The key without indexes: `users[].name`.
    pub(super) rule: String,
    pub(super) value: String,
}

/// All settings of a file, in their order.
pub(super) fn settings(text: &str) -> Result<Vec<Setting>, String> {
    if text.trim_start().starts_with('{') {
        let value: Value =
            serde_json::from_str(text).map_err(|error| format!("the file is no JSON: {error}"))?;
        let mut all = Vec::new();
        flatten(String::new(), String::new(), &value, &mut all);
        return Ok(all);
    }
    Ok(text.lines().filter_map(assignment).collect())
}

fn flatten(key: String, rule: String, value: &Value, all: &mut Vec<Setting>) {
    let joined =
        |front: &str, name: &str| if front.is_empty() { name.to_owned() } else { format!("{front}.{name}") };
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                flatten(joined(&key, name), joined(&rule, name), value, all);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                flatten(format!("{key}[{index}]"), format!("{rule}[]"), value, all);
            }
        }
        Value::Null => all.push(Setting { key, rule, value: String::new() }),
        Value::String(text) => all.push(Setting { key, rule, value: text.clone() }),
        other => all.push(Setting { key, rule, value: other.to_string() }),
    }
}

/// `KEY=value`, `export KEY="value"` or `    KEY = value  # note`; other lines are none.
fn assignment(line: &str) -> Option<Setting> {
    let line = line.trim();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (key, value) = line.split_once('=')?;
    let key = key.trim();
    let is_name = !key.is_empty()
        && key.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
        && !key.starts_with(|c: char| c.is_ascii_digit());
    // Constants have large letters; what has not is code.
    if !is_name || key.bytes().any(|c| c.is_ascii_lowercase()) || value.starts_with('=') {
        return None;
    }
    Some(Setting { key: key.to_owned(), rule: key.to_owned(), value: plain(value.trim()) })
}

/// The value that a program would see if nothing in its environment said otherwise.
fn plain(value: &str) -> String {
    if let Some(inner) = quoted(value) {
        return inner.to_owned();
    }
    let value = value.split(" #").next().unwrap_or_default().trim();
    // `int(os.environ.get('DB_PORT') or 3306)`
    let value = match value.split_once(" or ") {
        Some((_, default)) if value.contains("environ") => default.trim().trim_end_matches(')').trim(),
        _ => value,
    };
    if let Some(inner) = quoted(value) {
        return inner.to_owned();
    }
    // `16 * 1024 * 1024`
    let factors: Option<Vec<u64>> = value.split('*').map(|factor| factor.trim().parse().ok()).collect();
    match factors {
        Some(factors) if factors.len() > 1 => factors
            .iter()
            .try_fold(1_u64, |all, factor| all.checked_mul(*factor))
            .unwrap_or(u64::MAX)
            .to_string(),
        _ if value == "None" => String::new(),
        _ => value.to_owned(),
    }
}

/// What stands in quotes, if all of it does.
fn quoted(value: &str) -> Option<&str> {
    let quote = value.chars().next().filter(|c| *c == '"' || *c == '\'')?;
    let (inner, after) = value[1..].split_once(quote)?;
    let after = after.trim();
    (after.is_empty() || after.starts_with('#')).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_a_program_would_see() {
        for (line, key, value) in [
            ("SECRET_KEY=your-secret-key", "SECRET_KEY", "your-secret-key"),
            ("export PORT=\"80 # 80\"  # note", "PORT", "80 # 80"),
            ("    MAX_CONTENT_LENGTH = 16 * 1024 * 1024  # 16MB", "MAX_CONTENT_LENGTH", "16777216"),
            ("DB_PORT = int(os.environ.get('DB_PORT') or 3306)", "DB_PORT", "3306"),
            ("DB_HOST = os.environ.get('DB_HOST') or 'localhost'", "DB_HOST", "localhost"),
            ("MONGO_USERNAME = None", "MONGO_USERNAME", ""),
            ("JWT = True", "JWT", "True"),
        ] {
            let read = settings(line).unwrap();
            assert_eq!((read.len(), &*read[0].key, &*read[0].value), (1, key, value), "{line}");
        }
        for none in ["# A=1", "if x == 1:", "class Config:", "app.config = 1", "x = 1", ""] {
            assert!(settings(none).unwrap().is_empty(), "{none}");
        }
        let json = settings(r#"{"users": [{"username": "a"}], "n": null}"#).unwrap();
        assert_eq!((&*json[1].key, &*json[1].rule), ("users[0].username", "users[].username"));
        assert!(settings("{").is_err());
    }
}
