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
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch},
    time::timeout,
};

use super::{
    body::{Answer, Unread},
    contacts::contacts,
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

/// Somebody waits for a snapshot.
#[derive(Debug)]
pub struct Request {
    pub reply: oneshot::Sender<Arc<Snapshot>>,
    /// Whether it is to hold the contacts one by one.
    pub contacts: bool,
}

/// Where the endpoints learn what they tell.
#[derive(Clone, Debug)]
pub struct Source {
    /// To the owner of the counts, who sends a snapshot to whoever asks.
    pub requests: mpsc::Sender<Request>,
    pub ready: watch::Receiver<Readiness>,
}

/// What all handlers share.
pub(super) struct Endpoints {
    source: Source,
    own: Arc<OwnMetrics>,
    permits: Arc<Semaphore>,
    turns: Turns,
}

impl Endpoints {
    /// A snapshot, and the turn in which it is to be written; else why there is none. One with all live contacts is made for who
    /// asks for them alone.
    pub(super) async fn snapshot(
        &self,
        contacts: bool,
    ) -> Result<(Arc<Snapshot>, OwnedSemaphorePermit), &'static str> {
        timeout(PATIENCE, self.ask(contacts))
            .await
            .map_err(|_| "no snapshot within 8 s")?
            .ok_or("tracing has ended")
    }

    /// `None` when the owner of the counts is gone.
    async fn ask(&self, contacts: bool) -> Option<(Arc<Snapshot>, OwnedSemaphorePermit)> {
        let turn = self.turns.come();
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        let snapshot = match turn.take() {
            Some(snapshot) if !contacts => snapshot,
            _ => self.read(contacts).await?,
        };
        Some((snapshot, permit))
    }

    async fn read(&self, contacts: bool) -> Option<Arc<Snapshot>> {
        let reading = self.turns.ask();
        let (reply, snapshot) = oneshot::channel();
        let request = Request { reply, contacts };
        self.source.requests.send(request).await.ok()?;
        let snapshot = snapshot.await.ok()?;
        self.turns.read(reading, &snapshot);
        Some(snapshot)
    }
}

/// All endpoints, over one source.
pub fn router(source: Source) -> Router {
    let own = Arc::new(OwnMetrics::default());
    let permits = Arc::new(Semaphore::new(SCRAPES));
    // `get` serves HEAD too, and answers 405 to every other method.
    Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics))
        .route("/api/v1/contacts", get(contacts))
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
        "<li><a href=\"/api/v1/contacts\">/api/v1/contacts</a>: the contacts one by one, as JSON</li>\n",
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
    match endpoints.snapshot(false).await {
        Ok((snapshot, permit)) => {
            let own = Arc::clone(&endpoints.own);
            let format = negotiate::format(&headers);
            let exposition = Exposition::new(snapshot, own.gather(), format);
            let answer = Answer::new(exposition, negotiate::gzip(&headers), own, permit);
            described(&headers, Body::new(answer))
        }
        Err(reason) => unavailable(reason).into_response(),
    }
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
