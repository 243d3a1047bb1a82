//! Serving until told to stop.

use std::time::Duration;

use axum::{Router, middleware::from_fn};
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::timeout};

use super::listener::{Client, GuardedListener, keep};

/// How long answers that are under way may take to end. A scraper that is cut off comes again; who stops the tracer waits.
const GRACE: Duration = Duration::from_millis(500);

/// Serves on all `listeners` until `shutdown` is done, then accepts nothing more and returns once every answer is complete,
/// or after half a second. What is still open then ends with the runtime.
pub async fn serve(
    listeners: Vec<TcpListener>,
    router: Router,
    shutdown: impl Future<Output = ()>,
) {
    let (stop, stopped) = watch::channel(());
    let service = router
        .layer(from_fn(keep))
        .into_make_service_with_connect_info::<Client>();
    let mut servers = JoinSet::new();
    for listener in listeners {
        let mut stopped = stopped.clone();
        let server = axum::serve(GuardedListener::new(listener), service.clone());
        let server = server.with_graceful_shutdown(async move {
            // An error says that the sender is gone, which is what is waited for.
            let _ = stopped.changed().await;
        });
        servers.spawn(server.into_future());
    }
    shutdown.await;
    drop(stop);
    // Either way there is nothing left to do: the set ends the servers that are late when it is dropped.
    let _ = timeout(GRACE, servers.join_all()).await;
}
