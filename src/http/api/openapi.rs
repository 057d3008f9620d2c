//! The table of endpoints as an OpenAPI 3.1 document.

use http::Response;
use http::header::{CACHE_CONTROL, HeaderValue};
use serde_json::{Map, Value, json};

use super::answer::ok;
use super::call::{Call, Refused};
use super::endpoint::{Endpoint, Gives, Header, Needs, Takes};
use super::endpoints;
use super::schema::generator;
use crate::delivery::body::Body;
use crate::http::problem::Document;

pub(super) const ENDPOINTS: &[Endpoint] =
    &[Endpoint::get("/openapi.json", "describe", "This description", |call| Box::pin(describe(call)))
        .anyone()
        .open()
        .gives::<Map<String, Value>>(200, "An OpenAPI 3.1 document")];

async fn describe(call: Call) -> Result<Response<Body>, Refused> {
    let mut response = ok(&document(call.parts.delivery.public_url()));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(response)
}

pub(super) fn document(public_url: &str) -> Value {
    let mut generator = generator();
    let problem = generator.subschema_for::<Document<'static>>();
    let refusal = json!({
        "description": "What is wrong and how to put it right",
        "content": { "application/problem+json": { "schema": problem } },
    });
    let mut paths = Map::new();
    for endpoint in endpoints() {
        let mut operation = Map::new();
        operation.insert("operationId".into(), endpoint.name.into());
        operation.insert("summary".into(), endpoint.summary.into());
        operation.insert("tags".into(), json!([tag(endpoint.path())]));
        operation.insert("security".into(), security(endpoint.needs()));
        let mut parameters = path_parameters(endpoint.path());
        if let Some(query) = endpoint.query {
            parameters.extend(query_parameters(&query(&mut generator).into(), generator.definitions()));
        }
        parameters.extend(endpoint.headers.iter().map(header_parameter));
        operation.insert("parameters".into(), parameters.into());
        let media = |schema: Value| json!({ "schema": schema });
        let mut content = Map::new();
        match endpoint.takes {
            Takes::Nothing => {}
            Takes::Json(schema) => {
                content.insert("application/json".into(), media(schema(&mut generator).into()));
            }
            Takes::Media(types, schema) => {
                for kind in types {
                    content.insert((*kind).to_owned(), media(json!({})));
                }
                if let Some(schema) = schema {
                    content.insert("application/json".into(), media(schema(&mut generator).into()));
                }
            }
        }
        if !content.is_empty() {
            operation.insert(
                "requestBody".into(),
                json!({ "required": endpoint.body_required, "content": content }),
            );
        }
        let mut responses = Map::new();
        for Gives { status, what, schema } in endpoint.gives.into_iter().flatten() {
            let mut response = json!({ "description": what });
            if let Some(schema) = schema {
                let schema: Value = schema(&mut generator).into();
                response["content"] = json!({ "application/json": { "schema": schema } });
            }
            responses.insert(status.to_string(), response);
        }
        responses.insert("default".into(), refusal.clone());
        operation.insert("responses".into(), responses.into());
        let path = paths.entry(endpoint.path()).or_insert_with(|| json!({}));
        path[endpoint.method().as_str().to_ascii_lowercase()] = operation.into();
    }
    let schemas: Map<String, Value> = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "pixedge",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The API of the image host. Pictures themselves are served under `/i/`; see `/docs/transforms`.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": public_url }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token of `POST /v1/login`, or an API key of `POST /v1/keys`",
                },
            },
        },
    })
}

/// What an endpoint is about: the first word of its path.
fn tag(path: &str) -> &str {
    let rest = path.strip_prefix("/v1/").unwrap_or(path).trim_start_matches('/');
    rest.split(['/', '.']).next().unwrap_or_default()
}

fn security(needs: Needs) -> Value {
    match needs {
        Needs::Nothing => json!([]),
        Needs::Account | Needs::Scope(_) => json!([{ "bearer": [] }]),
    }
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| {
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 } })
        })
        .collect()
}

fn header_parameter(header: &Header) -> Value {
    let Header { name, required, what, pattern } = header;
    let schema = json!({ "type": "string", "pattern": pattern });
    json!({ "name": name, "in": "header", "required": required, "description": what, "schema": schema })
}

/// The fields of a type, each as a parameter of the query.
fn query_parameters(schema: &Value, definitions: &Map<String, Value>) -> Vec<Value> {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
    let schema = name.and_then(|name| definitions.get(name)).unwrap_or(schema);
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema["properties"].as_object().cloned().unwrap_or_default();
    properties
        .into_iter()
        .map(|(name, mut schema)| {
            let description = schema.as_object_mut().and_then(|rules| rules.remove("description"));
            let required = required.contains(&&*name);
            let mut parameter =
                json!({ "name": name, "in": "query", "required": required, "schema": schema });
            if let Some(description) = description {
                parameter["description"] = description;
            }
            parameter
        })
        .collect()
}
