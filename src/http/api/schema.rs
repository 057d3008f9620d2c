//! Requests are checked against the schemas that describe them, so what the description promises is what is enforced,
//! and everything that is wrong is named at once.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Detail, Fault, Kind, Wrong};

/// The checkers of all types that were asked for so far; making one costs more than using it.
#[derive(Default)]
pub struct Schemas(RwLock<HashMap<TypeId, Arc<Checked>>>);

struct Checked {
    validator: Validator,
    /// The schema itself, which tells the types of a query's fields.
    schema: Value,
    /// Every name of a field that occurs in the schema, to find what a misspelt one was meant to be.
    fields: Vec<String>,
}

/// Fields that do not fit.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(|wrong| format!("`{}` {}", wrong.field, wrong.reason)).collect::<Vec<_>>().join("; "))]
pub(in crate::http) struct Invalid(Vec<Wrong>);

impl Invalid {
    pub(in crate::http) fn all(wrong: Vec<Wrong>) -> Self {
        Self(wrong)
    }

    pub(in crate::http) fn one(field: &str, reason: impl Into<String>) -> Self {
        Self(vec![Wrong { field: field.to_owned(), reason: reason.into(), did_you_mean: None }])
    }
}

impl Fault for Invalid {
    fn kind(&self) -> Kind {
        Kind::BadRequest
    }

    fn code(&self) -> &'static str {
        "invalid_fields"
    }

    fn detail(&self) -> Detail {
        Detail { fields: self.0.clone(), ..Detail::default() }
    }
}

impl Schemas {
    /// `value` as a `T`, which its schema says it is.
    pub(in crate::http) fn read<T>(&self, value: Value) -> Result<T, Invalid>
    where
        T: DeserializeOwned + JsonSchema + 'static,
    {
        let wrong: Vec<Wrong> = match self.of::<T>() {
            Some(checked) => checked
                .validator
                .iter_errors(&value)
                .flat_map(|error| wrong(&error, &checked.fields))
                .collect(),
            None => Vec::new(),
        };
        if !wrong.is_empty() {
            return Err(Invalid(wrong));
        }
        // What a schema cannot say: that a word is one of ours, that a time is a time.
        serde_path_to_error::deserialize(value)
            .map_err(|error| Invalid::one(&error.path().to_string(), error.inner().to_string()))
    }

    /// The value of a query's field, of the type that the field `key` of `T` has.
    pub(in crate::http) fn typed_text<T: JsonSchema + 'static>(&self, key: &str, text: &str) -> Value {
        self.of::<T>().map_or_else(|| Value::from(text), |checked| typed(&checked.schema, key, text))
    }

    fn of<T: JsonSchema + 'static>(&self) -> Option<Arc<Checked>> {
        let key = TypeId::of::<T>();
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Some(Arc::clone(known));
        }
        let schema = SchemaGenerator::default().into_root_schema_for::<T>();
        // A test makes all of them, so none fails here.
        let validator = jsonschema::options().should_validate_formats(true).build(schema.as_value()).ok()?;
        let mut fields = Vec::new();
        field_names(schema.as_value(), &mut fields);
        let made = Arc::new(Checked { validator, schema: schema.into(), fields });
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&made));
        Some(made)
    }
}

/// How schemas stand in the description: beside each other, by name.
pub(in crate::http) fn generator() -> SchemaGenerator {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    settings.into_generator()
}

/// A text of a query as the type that the field `key` has.
fn typed(schema: &Value, key: &str, text: &str) -> Value {
    let types = schema.get("properties").and_then(|all| all.get(key)?.get("type"));
    let is = |name: &str| match types {
        Some(Value::String(only)) => only == name,
        Some(Value::Array(several)) => several.iter().any(|one| one == name),
        _ => false,
    };
    let number =
        || text.parse::<i64>().ok().map(Value::from).or_else(|| text.parse::<f64>().ok().map(Value::from));
    match text {
        "true" | "1" if is("boolean") => Value::Bool(true),
        "false" | "0" if is("boolean") => Value::Bool(false),
        _ if is("integer") || is("number") => number().unwrap_or_else(|| Value::from(text)),
        _ => Value::from(text),
    }
}

/// One complaint of the checker, by fields and without values.
fn wrong(error: &ValidationError<'_>, known: &[String]) -> Vec<Wrong> {
    use ValidationErrorKind as Complaint;
    let at = dotted(&error.instance_path().to_string());
    let one = |reason: String| vec![Wrong { field: at.clone(), reason, did_you_mean: None }];
    match error.kind() {
        Complaint::Required { property } => {
            let field = joined(&at, property.as_str().unwrap_or_default());
            vec![Wrong { field, reason: "is missing".to_owned(), did_you_mean: None }]
        }
        Complaint::AdditionalProperties { unexpected } | Complaint::UnevaluatedProperties { unexpected } => {
            let unknown = |name: &String| Wrong {
                field: joined(&at, name),
                reason: "is no field of this request".to_owned(),
                did_you_mean: nearest(name, known),
            };
            unexpected.iter().map(unknown).collect()
        }
        // `null` is one of the two ways; what is wrong is said of the other.
        Complaint::AnyOf { context } | Complaint::OneOfNotValid { context } => {
            let best = context
                .iter()
                .filter(|way| !way.iter().any(|error| is_null(error)))
                .min_by_key(|way| way.len());
            match best {
                Some(way) if !way.is_empty() => way.iter().flat_map(|error| wrong(error, known)).collect(),
                _ => one("does not fit".to_owned()),
            }
        }
        Complaint::Type { kind } => one(format!("must be {}", type_words(kind))),
        Complaint::Enum { options } => one(format!("must be one of {}", listed(options))),
        Complaint::Constant { expected_value } => one(format!("must be {expected_value}")),
        Complaint::Minimum { limit } => one(format!("must be at least {limit}")),
        Complaint::Maximum { limit } => one(format!("must be at most {limit}")),
        Complaint::ExclusiveMinimum { limit } => one(format!("must be more than {limit}")),
        Complaint::ExclusiveMaximum { limit } => one(format!("must be less than {limit}")),
        Complaint::MinLength { limit } => one(format!("must be at least {limit} characters long")),
        Complaint::MaxLength { limit } => one(format!("must be at most {limit} characters long")),
        Complaint::MinItems { limit } => one(format!("must have at least {limit} entries")),
        Complaint::MaxItems { limit } => one(format!("must have at most {limit} entries")),
        Complaint::UniqueItems => one("has an entry twice".to_owned()),
        Complaint::Pattern { pattern } => one(format!("must match `{pattern}`")),
        Complaint::Format { format } => one(format!("must be a {format}")),
        other => one(format!("breaks the rule `{}`", other.keyword())),
    }
}

fn is_null(error: &ValidationError<'_>) -> bool {
    matches!(error.kind(), ValidationErrorKind::Type { kind: TypeKind::Single(jsonschema::JsonType::Null) })
}

fn type_words(kind: &TypeKind) -> String {
    let name = |kind: &jsonschema::JsonType| kind.to_string();
    match kind {
        TypeKind::Single(only) => name(only),
        TypeKind::Multiple(several) => {
            several.iter().map(|kind| name(&kind)).collect::<Vec<_>>().join(" or ")
        }
    }
}

fn listed(options: &Value) -> String {
    let words =
        options.as_array().map(|all| all.iter().map(|one| format!("`{}`", plain(one))).collect::<Vec<_>>());
    words.unwrap_or_default().join(", ")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn field_names(schema: &Value, into: &mut Vec<String>) {
    match schema {
        Value::Object(rules) => {
            if let Some(Value::Object(properties)) = rules.get("properties") {
                into.extend(properties.keys().cloned());
            }
            rules.values().for_each(|rule| field_names(rule, into));
        }
        Value::Array(rules) => rules.iter().for_each(|rule| field_names(rule, into)),
        _ => {}
    }
}

fn nearest(name: &str, known: &[String]) -> Option<String> {
    let short: String = name.chars().take(64).collect();
    let by_distance = |other: &&String| strsim::damerau_levenshtein(&short, other);
    known.iter().min_by_key(by_distance).filter(|other| by_distance(other) <= 2).cloned()
}

/// `/users/0/name` as people write it: `users[0].name`.
fn dotted(pointer: &str) -> String {
    pointer.split('/').skip(1).fold(String::new(), |path, part| {
        let part = part.replace("~1", "/").replace("~0", "~");
        if part.bytes().all(|c| c.is_ascii_digit()) {
            format!("{path}[{part}]")
        } else {
            joined(&path, &part)
        }
    })
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
