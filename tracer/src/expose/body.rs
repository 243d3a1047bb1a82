//! The bodies of answers.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use super::{gzip::Gzip, own::OwnMetrics, room::Asking, text::Exposition};

/// Writes an exposition piece by piece, and counts it once it is complete.
pub struct Answer {
    chunks: Box<dyn Iterator<Item = Bytes> + Send>,
    own: Arc<OwnMetrics>,
    spent: Duration,
    /// Other tasks had their turn since the last chunk.
    rested: bool,
    /// Given back when the answer is complete or its reader is gone.
    _permit: OwnedSemaphorePermit,
}

impl Answer {
    pub fn new(
        exposition: Exposition,
        gzip: bool,
        own: Arc<OwnMetrics>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let chunks: Box<dyn Iterator<Item = Bytes> + Send> = if gzip {
            Box::new(Gzip::new(exposition))
        } else {
            Box::new(exposition)
        };
        Self {
            chunks,
            own,
            spent: Duration::ZERO,
            rested: true,
            _permit: permit,
        }
    }

    fn step(&mut self) -> Option<Bytes> {
        let began = Instant::now();
        let chunk = self.chunks.next();
        self.spent += began.elapsed();
        if chunk.is_none() {
            self.own.answered(self.spent);
        }
        chunk
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    /// Yields a chunk every second time. In between the connection writes out what it has, so that no more than a chunk or
    /// two wait in memory, and the other tasks of the thread run.
    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let answer = self.get_mut();
        if std::mem::take(&mut answer.rested) {
            match answer.step() {
                None => return Poll::Ready(None),
                Some(chunk) if !chunk.is_empty() => {
                    return Poll::Ready(Some(Ok(Frame::data(chunk))));
                }
                // The compressor keeps it until it has enough for a piece.
                Some(_) => {}
            }
        }
        answer.rested = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Stands in for an answer that is not made because only its head was asked for. Its length is unknown, as that of the answer
/// would be: an empty body would say 0.
pub struct Unread;

impl Body for Unread {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }
}

/// Any answer, whose client is not silent until it is complete.
pub struct Held {
    body: axum::body::Body,
    _asking: Asking,
}

impl Held {
    pub fn new(body: axum::body::Body, asking: Asking) -> Self {
        Self {
            body,
            _asking: asking,
        }
    }
}

impl Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
