//! `/api/v1/contacts`: the contacts one by one.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    http::Endpoints,
    page::page,
    query::{Invalid, Query},
};

/// Answers GET and, without the body, HEAD. What is written waits in memory until the client has read it: a page for each
/// of the connections that a listener holds, at most.
pub(super) async fn contacts(State(endpoints): State<Arc<Endpoints>>, uri: Uri) -> Response {
    let query = match Query::parse(uri.query().unwrap_or_default()) {
        Ok(query) => query,
        Err(invalid) => return described(StatusCode::BAD_REQUEST, refusal(&invalid)),
    };
    match endpoints.snapshot(true).await {
        Ok((snapshot, _turn)) => described(StatusCode::OK, page(&snapshot, &query)),
        Err(reason) => described(StatusCode::SERVICE_UNAVAILABLE, unavailable(reason)),
    }
}

/// The answer to a query that means nothing.
pub fn refusal(invalid: &Invalid) -> Vec<u8> {
    line(&json!({ "error": invalid.error, "hint": invalid.hint }))
}

/// The answer where there is no snapshot.
pub fn unavailable(reason: &str) -> Vec<u8> {
    line(&json!({ "error": reason }))
}

fn line(value: &Value) -> Vec<u8> {
    format!("{value}\n").into_bytes()
}

fn described(status: StatusCode, body: Vec<u8>) -> Response {
    let fields = [
        (header::CONTENT_TYPE, "application/json"),
        // The next moment's answer is another one.
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, fields, body).into_response()
}
