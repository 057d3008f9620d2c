//! Pictures under the names that files have in other systems: found by name, shown as everywhere.

use http::Response;
use http::header::{AUTHORIZATION, HeaderValue};

use crate::delivery::body::Body;
use crate::delivery::{self, DeliveryError};
use crate::error::Fault as _;
use crate::http::api::call::{Call, Refused};
use crate::library::{Image, LibraryError};

/// The picture whose file has the name that the path ends with. Who may not see it hears that there is none.
pub(super) async fn by_name(call: Call) -> Result<Response<Body>, Refused> {
    let name = call.value("name");
    // Names are tried here as ids are elsewhere.
    let image = match call.api().library.by_file_name(name, call.now).await? {
        Some(image) => image,
        None => {
            call.parts.delivery.pay(call.client)?;
            return Err(missing(&call));
        }
    };
    show(&call, &image).await
}

/// The original of an image, without what its owner alone may read.
pub(super) async fn show(call: &Call, image: &Image) -> Result<Response<Body>, Refused> {
    let path = format!("/i/{}.{}", image.id, image.shape.format);
    let request = delivery::Request {
        method: &call.head.method,
        path: &path,
        query: None,
        headers: &call.head.headers,
        client: call.client,
    };
    match Box::pin(call.parts.delivery.picture(request)).await {
        Ok(response) => Ok(response),
        Err(error @ (DeliveryError::NoImage(_) | DeliveryError::NeedsSignature { .. })) => {
            tracing::debug!(code = error.code(), "a file that is not for everybody");
            Err(missing(call))
        }
        Err(error) => Err(error.into()),
    }
}

/// The same for whoever holds this token, as if it had been sent as a bearer.
pub(super) async fn show_to(mut call: Call, image: &Image, token: &str) -> Result<Response<Body>, Refused> {
    if let Ok(value) = HeaderValue::from_str(&format!("Bearer {token}")) {
        call.head.headers.insert(AUTHORIZATION, value);
    }
    show(&call, image).await
}

fn missing(call: &Call) -> Refused {
    LibraryError::NotFound { id: call.value("name").to_owned() }.into()
}
