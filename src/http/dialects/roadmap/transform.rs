//! Transformations of the roadmap, at once or as a task.

use http::Response;
use serde_json::{Map, Value, json};

use super::super::answer::ok;
use super::super::credentials::query_value;
use super::images::image;
use crate::admin::JobState;
use crate::delivery::body::Body;
use crate::delivery::words_of;
use crate::http::api::answer::accepted;
use crate::http::api::call::{Call, Refused};
use crate::http::api::images::reach;
use crate::http::api::schema::Invalid;
use crate::http::api::time::Time;
use crate::http::api::versions::{self, Made, prefers_async};
use crate::http::body::json_object;
use crate::library::{Image, Version, VersionOrder};
use crate::transform::json::spec_of;

const FIELD: &str = "transformations";

pub(super) async fn transform(mut call: Call) -> Result<Response<Body>, Refused> {
    let body = std::mem::take(&mut call.body);
    let mut fields = json_object(&call.head.headers, body).await?;
    let later = fields.remove("async").is_some_and(|value| is_true(&value));
    let later = later
        || query_value(call.head.uri.query(), "async").is_some_and(|text| text == "true" || text == "1");
    let later = later || prefers_async(&call);
    let wanted = wanted(fields)?;
    let image = image(&call).await?;
    let spec = spec_of(FIELD, &wanted, image.oriented()).map_err(Invalid::all)?;
    match versions::make(&call, &image, spec, later, Some(&wanted)).await? {
        Made::Later { task_id } => {
            let status_url = format!("/tasks/{task_id}/status");
            let location = status_url.clone();
            let ordered = json!({ "task_id": task_id, "status": "pending", "status_url": status_url });
            Ok(accepted(&ordered, &location))
        }
        Made::Now { version, .. } => Ok(ok(&made(&call, &image, &version, &wanted)?)),
    }
}

pub(super) async fn status(call: Call) -> Result<Response<Body>, Refused> {
    let job = call.admin().task(call.who()?, call.value("id")).await?;
    let result = match &job.result {
        Some(result) if job.kind == VersionOrder::KIND => {
            match versions::kept(&call.parts, reach(&call)?, result, call.now).await? {
                Some((image, version)) => Some(made(&call, &image, &version, &result["transformations"])?),
                None => None,
            }
        }
        _ => None,
    };
    let status = match job.state {
        JobState::Pending => "pending",
        JobState::Processing => "processing",
        JobState::Completed => "completed",
        JobState::Failed | JobState::Cancelled => "failed",
    };
    Ok(ok(&json!({
        "task_id": job.id.to_string(),
        "status": status,
        "progress": job.progress,
        "result": result,
        "error": job.error,
        "created_at": Time(job.created_at),
        "finished_at": job.finished_at.map(Time),
    })))
}

/// A version as it stands in its image.
pub(super) fn version(call: &Call, image: &Image, version: &Version) -> Result<Value, Refused> {
    Ok(json!({
        "id": version.id,
        "url": call.parts.delivery.link(image, &version.spec)?,
        "spec": version.spec,
        "width": version.width,
        "height": version.height,
        "size": version.bytes,
        "format": words_of(&version.format).0,
        "created_at": Time(version.created_at),
    }))
}

fn made(call: &Call, image: &Image, made: &Version, wanted: &Value) -> Result<Value, Refused> {
    let mut answer = version(call, image, made)?;
    answer["image_id"] = Value::from(image.id.as_str());
    answer["mime_type"] = Value::from(words_of(&made.format).1);
    answer[FIELD] = wanted.clone();
    Ok(answer)
}

/// What is in `transformations`, or the body itself.
fn wanted(mut fields: Map<String, Value>) -> Result<Value, Invalid> {
    match fields.remove(FIELD) {
        Some(wanted) if fields.is_empty() => Ok(wanted),
        Some(_) => {
            let beside = fields.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
            Err(Invalid::one(FIELD, format!("stands beside {beside}, which belongs into it")))
        }
        None => Ok(Value::Object(fields)),
    }
}

fn is_true(value: &Value) -> bool {
    value.as_bool().unwrap_or_else(|| value.as_str() == Some("true"))
}
