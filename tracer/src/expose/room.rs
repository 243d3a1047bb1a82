//! Who has to leave where there is no room for another client?
//!
//! A client that only holds its connection costs nothing but its place, and so it must not keep another one out. Who has
//! never sent a whole request leaves first, then who was answered, each time the one that has been silent longest. Who waits
//! for an answer stays.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

/// The rank of one that waits for its answer.
const BUSY: u64 = u64::MAX;

/// What one that was answered ranks above the others.
const ANSWERED: u64 = 1 << 63;

/// The clients of one listener.
pub struct Room {
    places: Arc<Semaphore>,
    guests: Vec<Guest>,
    shared: Arc<Shared>,
}

struct Guest {
    rank: Arc<AtomicU64>,
    dismiss: oneshot::Sender<()>,
}

#[derive(Default)]
struct Shared {
    /// Counts how often a client became silent. A moment is as good: only their order matters.
    turns: AtomicU64,
    /// A client became silent.
    quiet: Notify,
}

impl Shared {
    fn turn(&self) -> u64 {
        self.turns.fetch_add(1, Relaxed)
    }
}

/// The place of one client, which is given back when this is dropped.
pub struct Place {
    pub seat: Seat,
    /// Says that the client has to leave. When it is closed instead, nobody else will come.
    pub dismissed: oneshot::Receiver<()>,
    _permit: OwnedSemaphorePermit,
}

/// Where a client says what it does.
#[derive(Clone)]
pub struct Seat {
    rank: Arc<AtomicU64>,
    shared: Arc<Shared>,
}

impl Seat {
    /// A whole request has come. The client is silent again when what this returns is dropped.
    pub fn ask(&self) -> Asking {
        self.rank.store(BUSY, Relaxed);
        Asking(self.clone())
    }
}

/// A client waits for its answer.
pub struct Asking(Seat);

impl Drop for Asking {
    fn drop(&mut self) {
        let Seat { rank, shared } = &self.0;
        rank.store(ANSWERED | shared.turn(), Relaxed);
        shared.quiet.notify_waiters();
    }
}

impl Room {
    pub fn new(places: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places)),
            guests: Vec::new(),
            shared: Arc::default(),
        }
    }

    /// A place for one more. It waits only while each of the others waits for its answer.
    pub async fn enter(&mut self) -> Place {
        let shared = Arc::clone(&self.shared);
        loop {
            // Before it is looked who is silent, so that nobody is overlooked who becomes it meanwhile.
            let quiet = shared.quiet.notified();
            if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
                return self.seat(permit);
            }
            self.dismiss();
            tokio::select! {
                permit = Arc::clone(&self.places).acquire_owned() => {
                    return self.seat(permit.expect("nobody closes the semaphore"));
                }
                () = quiet => {}
            }
        }
    }

    fn seat(&mut self, permit: OwnedSemaphorePermit) -> Place {
        self.guests.retain(|guest| !guest.dismiss.is_closed());
        let (dismiss, dismissed) = oneshot::channel();
        let rank = Arc::new(AtomicU64::new(self.shared.turn()));
        self.guests.push(Guest {
            rank: Arc::clone(&rank),
            dismiss,
        });
        Place {
            seat: Seat {
                rank,
                shared: Arc::clone(&self.shared),
            },
            dismissed,
            _permit: permit,
        }
    }

    /// Tells the one that has been silent longest to leave; nobody where all wait for their answers.
    fn dismiss(&mut self) {
        self.guests.retain(|guest| !guest.dismiss.is_closed());
        let ranks = self.guests.iter().map(|guest| guest.rank.load(Relaxed));
        let lowest = ranks.enumerate().min_by_key(|(_, rank)| *rank);
        if let Some((at, _)) = lowest.filter(|(_, rank)| *rank != BUSY) {
            // One that left by itself meanwhile has made room too.
            let _ = self.guests.swap_remove(at).dismiss.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    /// A place, unless one has to be waited for.
    fn enter(room: &mut Room) -> Option<Place> {
        let mut context = Context::from_waker(Waker::noop());
        match pin!(room.enter()).poll(&mut context) {
            Poll::Ready(place) => Some(place),
            Poll::Pending => None,
        }
    }

    fn has_to_leave(place: &mut Place) -> bool {
        place.dismissed.try_recv().is_ok()
    }

    #[test]
    fn who_has_never_asked_leaves_before_who_was_answered_and_each_in_the_order_of_their_silence() {
        let mut room = Room::new(3);
        let [mut answered, mut first, mut second] =
            std::array::from_fn(|_| enter(&mut room).expect("there is room"));
        drop(answered.seat.ask());
        assert!(enter(&mut room).is_none(), "nobody has left yet");
        assert!(has_to_leave(&mut first) && !has_to_leave(&mut second));
        drop(first);
        let mut third = enter(&mut room).expect("one has left");
        assert!(enter(&mut room).is_none());
        assert!(has_to_leave(&mut second) && !has_to_leave(&mut third));
        assert!(!has_to_leave(&mut answered));
    }

    #[test]
    fn who_waits_for_an_answer_stays_until_it_has_it() {
        let mut room = Room::new(1);
        let mut place = enter(&mut room).expect("there is room");
        let asking = place.seat.ask();
        assert!(enter(&mut room).is_none());
        assert!(!has_to_leave(&mut place));
        drop(asking);
        assert!(enter(&mut room).is_none());
        assert!(has_to_leave(&mut place));
    }

    #[test]
    fn who_was_told_to_leave_is_not_told_twice_and_no_second_one_for_the_same_place() {
        let mut room = Room::new(2);
        let [mut first, mut second] =
            std::array::from_fn(|_| enter(&mut room).expect("there is room"));
        let mut context = Context::from_waker(Waker::noop());
        {
            let mut waiting = pin!(room.enter());
            for _ in 0..3 {
                assert!(waiting.as_mut().poll(&mut context).is_pending());
            }
            assert!(has_to_leave(&mut first) && !has_to_leave(&mut second));
            drop(first);
            assert!(waiting.poll(&mut context).is_ready());
        }
    }
}
