//! The table as a whole.

use std::collections::HashSet;

use super::*;

#[test]
fn every_endpoint_has_a_path_a_name_and_a_success_of_its_own() {
    let mut names = HashSet::new();
    let mut places = HashSet::new();
    for endpoint in endpoints() {
        assert!(names.insert(endpoint.name), "{} stands twice", endpoint.name);
        assert!(places.insert((endpoint.method(), endpoint.path())), "{} stands twice", endpoint.path());
        assert!(endpoint.gives[0].is_some(), "{} gives nothing", endpoint.name);
        assert!(
            endpoint.path().starts_with("/v1/") || endpoint.path() == "/openapi.json",
            "{}",
            endpoint.path()
        );
    }
}

#[test]
fn paths_are_compared_part_by_part() {
    let endpoint = keys::ENDPOINTS.iter().find(|e| e.path() == "/v1/keys/{id}").unwrap();
    assert_eq!(endpoint.path_values("/v1/keys/a%2Fb").unwrap(), [("id", "a/b".to_owned())]);
    for other in ["/v1/keys", "/v1/keys/", "/v1/keys/a/b", "/v1/key/a", "/v1/keys/%FF"] {
        assert!(endpoint.path_values(other).is_none(), "{other}");
    }
}

#[test]
fn the_description_refers_to_nothing_that_it_lacks() {
    let document = openapi::document("http://127.0.0.1");
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
    assert!(text.contains("\"Problem\""));
}

#[test]
fn every_schema_can_be_checked_against() {
    let taken = |endpoint: &Endpoint| match endpoint.takes {
        endpoint::Takes::Json(schema) | endpoint::Takes::Media(_, Some(schema)) => Some(schema),
        _ => None,
    };
    for endpoint in endpoints() {
        for schema in [taken(endpoint), endpoint.query].into_iter().flatten() {
            let mut generator = schema::generator();
            let mut root: serde_json::Value = schema(&mut generator).into();
            root["components"] = serde_json::json!({ "schemas": generator.take_definitions(true) });
            assert!(jsonschema::validator_for(&root).is_ok(), "{}", endpoint.name);
        }
    }
}
