//! The endpoints.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Method, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    time::timeout,
};

use super::{
    body::{Answer, Unread},
    negotiate,
    own::OwnMetrics,
    text::Exposition,
    turns::Turns,
};
use crate::model::Snapshot;

/// How many scrapes are answered at once; the others wait. Each holds a few chunks of text and a snapshot.
const SCRAPES: usize = 8;

/// How long a scrape waits for its turn and for the snapshot. Prometheus itself gives up after 10 s unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(8);

/// Whether contacts are seen, else why not.
pub type Readiness = Result<(), String>;

/// Where the endpoints learn what they tell.
#[derive(Clone, Debug)]
pub struct Source {
    /// To the owner of the counts, who sends a snapshot to whoever asks.
    pub requests: mpsc::Sender<oneshot::Sender<Arc<Snapshot>>>,
    pub ready: watch::Receiver<Readiness>,
}

struct Endpoints {
    source: Source,
    own: Arc<OwnMetrics>,
    permits: Arc<Semaphore>,
    turns: Turns,
}

/// All endpoints, over one source.
pub fn router(source: Source) -> Router {
    let own = Arc::new(OwnMetrics::default());
    let permits = Arc::new(Semaphore::new(SCRAPES));
    // `get` serves HEAD too, and answers 405 to every other method.
    Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state(Arc::new(Endpoints {
            source,
            own,
            permits,
            turns: Turns::default(),
        }))
}

async fn index() -> Html<&'static str> {
    Html(concat!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>tracer</title>\n",
        "<h1>tracer ",
        env!("CARGO_PKG_VERSION"),
        "</h1>\n<p>Which app of this machine contacted whom.</p>\n<ul>\n",
        "<li><a href=\"/metrics\">/metrics</a>: for Prometheus</li>\n",
        "<li><a href=\"/healthz\">/healthz</a>: whether the process lives</li>\n",
        "<li><a href=\"/readyz\">/readyz</a>: whether contacts are seen</li>\n</ul>\n</html>\n"
    ))
}

async fn ready(State(endpoints): State<Arc<Endpoints>>) -> (StatusCode, String) {
    if endpoints.source.requests.is_closed() {
        return unavailable("tracing has ended");
    }
    match &*endpoints.source.ready.borrow() {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(reason) => unavailable(reason),
    }
}

async fn metrics(
    State(endpoints): State<Arc<Endpoints>>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    if method == Method::HEAD && !endpoints.source.requests.is_closed() {
        return described(&headers, Body::new(Unread));
    }
    match timeout(PATIENCE, answer(&endpoints, &headers)).await {
        Ok(Some(answer)) => described(&headers, Body::new(answer)),
        Ok(None) => unavailable("tracing has ended").into_response(),
        Err(_) => unavailable("no snapshot within 8 s").into_response(),
    }
}

/// `None` when the owner of the counts is gone.
async fn answer(endpoints: &Endpoints, headers: &HeaderMap) -> Option<Answer> {
    let turn = endpoints.turns.come();
    let permit = Arc::clone(&endpoints.permits).acquire_owned().await.ok()?;
    let snapshot = match turn.take() {
        Some(snapshot) => snapshot,
        None => read(endpoints).await?,
    };
    let exposition = Exposition::new(snapshot, endpoints.own.gather(), negotiate::format(headers));
    Some(Answer::new(
        exposition,
        negotiate::gzip(headers),
        Arc::clone(&endpoints.own),
        permit,
    ))
}

async fn read(endpoints: &Endpoints) -> Option<Arc<Snapshot>> {
    let reading = endpoints.turns.ask();
    let (reply, snapshot) = oneshot::channel();
    endpoints.source.requests.send(reply).await.ok()?;
    let snapshot = snapshot.await.ok()?;
    endpoints.turns.read(reading, &snapshot);
    Some(snapshot)
}

fn described(headers: &HeaderMap, body: Body) -> Response {
    let mut response = body.into_response();
    let fields = response.headers_mut();
    let mut set = |name, value| fields.insert(name, header::HeaderValue::from_static(value));
    set(
        header::CONTENT_TYPE,
        negotiate::format(headers).content_type(),
    );
    set(header::VARY, "Accept, Accept-Encoding");
    if negotiate::gzip(headers) {
        set(header::CONTENT_ENCODING, "gzip");
    }
    response
}

fn unavailable(reason: &str) -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n"))
}
