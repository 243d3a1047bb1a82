//! Connections of clients, each with a deadline: one that reads slowly or says nothing must not keep others out. Where there
//! is no room for one more, the one that has been silent longest leaves before its deadline.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    extract::{ConnectInfo, Request, connect_info::Connected},
    middleware::Next,
    response::Response,
    serve::IncomingStream,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Instant, Sleep, sleep},
};

use super::{
    body::Held,
    room::{Place, Room, Seat},
};

/// How many connections one listener holds: a file descriptor and some 10 kB each, far more than scrapers and people are.
const CONNECTIONS: usize = 64;

/// How long a client may take from connecting to an answer.
const FIRST: Duration = Duration::from_secs(30);

/// How long a client may then stay silent between two scrapes. Twice the usual interval of a minute.
const IDLE: Duration = Duration::from_secs(120);

/// How long a client may take to read what one chunk left in the buffers. Prometheus itself gives up after 10 s.
const STALLED: Duration = Duration::from_secs(10);

/// Accepts connections that are [`Guarded`].
pub struct GuardedListener {
    listener: TcpListener,
    room: Room,
}

impl GuardedListener {
    pub fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            room: Room::new(CONNECTIONS),
        }
    }
}

impl axum::serve::Listener for GuardedListener {
    type Io = Guarded;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Guarded, SocketAddr) {
        // Axum's own: it waits a second where the process has run out of file descriptors.
        let (stream, address) = axum::serve::Listener::accept(&mut self.listener).await;
        // A refusal costs only time: the end of an answer may then wait for an acknowledgement.
        let _ = stream.set_nodelay(true);
        // Only now, or one would have to leave for a client that may never come.
        let place = self.room.enter().await;
        (
            Guarded {
                stream,
                deadline: Box::pin(sleep(FIRST)),
                stalled: false,
                is_dismissed: false,
                place,
            },
            address,
        )
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that fails with [`io::ErrorKind::TimedOut`] past its deadline.
pub struct Guarded {
    stream: TcpStream,
    deadline: Pin<Box<Sleep>>,
    /// Something waits to be written. Until all of it is, single bytes that go through move no deadline.
    stalled: bool,
    /// Its place is wanted, or will never be.
    is_dismissed: bool,
    place: Place,
}

/// Whose a request is.
#[derive(Clone)]
pub struct Client(Seat);

impl Connected<IncomingStream<'_, GuardedListener>> for Client {
    fn connect_info(stream: IncomingStream<'_, GuardedListener>) -> Self {
        Self(stream.io().place.seat.clone())
    }
}

/// Keeps the place of a client from its whole request to the end of the answer.
pub async fn keep(
    ConnectInfo(client): ConnectInfo<Client>,
    request: Request,
    next: Next,
) -> Response {
    let asking = client.0.ask();
    let response = next.run(request).await;
    response.map(|body| axum::body::Body::new(Held::new(body, asking)))
}

impl Guarded {
    fn extend(&mut self, by: Duration) {
        self.deadline.as_mut().reset(Instant::now() + by);
    }

    fn unless_late<T>(
        &mut self,
        context: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_pending() {
            if !self.is_dismissed
                && let Poll::Ready(word) = Pin::new(&mut self.place.dismissed).poll(context)
            {
                self.is_dismissed = true;
                if word.is_ok() {
                    self.extend(Duration::ZERO);
                }
            }
            ready!(self.deadline.as_mut().poll(context));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        result
    }

    fn written(
        &mut self,
        context: &mut Context<'_>,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if result.is_pending() && !self.stalled {
            self.stalled = true;
            self.extend(STALLED);
        } else if result.is_ready() && !self.stalled {
            self.extend(IDLE);
        }
        self.unless_late(context, result)
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        // Reading moves no deadline, or a request that comes byte by byte would never be late.
        let result = Pin::new(&mut connection.stream).poll_read(context, buffer);
        connection.unless_late(context, result)
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let connection = self.get_mut();
        let result = Pin::new(&mut connection.stream).poll_write(context, bytes);
        connection.written(context, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let connection = self.get_mut();
        let result = Pin::new(&mut connection.stream).poll_write_vectored(context, slices);
        connection.written(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Called by hyper only when it has nothing left to write.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        if std::mem::take(&mut connection.stalled) {
            connection.extend(IDLE);
        }
        Pin::new(&mut connection.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
