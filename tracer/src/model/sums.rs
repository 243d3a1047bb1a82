//! The numbers of a row, of which there are many.

use tracer_common::outcome::REASONS;

use super::Totals;

/// What only grows of [`Totals`]. At most destinations nothing fails: failures take room only where there are some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub connections: u64,
    pub established: u64,
    pub sent: u64,
    pub received: u64,
    /// `None` where all are 0.
    failed: Option<Box<[u64; REASONS]>>,
}

impl Sums {
    pub fn add(&mut self, totals: &Totals) {
        self.connections += totals.connections;
        self.established += totals.established;
        if totals.failed != [0; REASONS] {
            let failed = self.failed.get_or_insert_default().iter_mut();
            failed.zip(totals.failed).for_each(|(to, from)| *to += from);
        }
        // What a full queue refused is taken back, maybe from where it was not added.
        self.sent = self.sent.wrapping_add(totals.sent);
        self.received = self.received.wrapping_add(totals.received);
    }

    /// By reason, as [`Totals::failed`].
    pub fn failed(&self) -> [u64; REASONS] {
        self.failed.as_deref().copied().unwrap_or_default()
    }

    /// With nothing open.
    pub fn totals(&self) -> Totals {
        Totals {
            connections: self.connections,
            established: self.established,
            failed: self.failed(),
            open: 0,
            sent: self.sent,
            received: self.received,
        }
    }
}

impl From<&Totals> for Sums {
    fn from(totals: &Totals) -> Self {
        let mut sums = Self::default();
        sums.add(totals);
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_added_is_there_but_that_nothing_is_open() {
        let totals = Totals {
            connections: 1,
            established: 2,
            failed: [0; REASONS],
            open: 3,
            sent: 4,
            received: 5,
        };
        let mut sums = Sums::default();
        sums.add(&totals);
        let of_one = Totals { open: 0, ..totals };
        assert_eq!(sums.totals(), of_one);
        assert_eq!(sums, Sums::from(&of_one));
        let mut failed = [0; REASONS];
        failed[1] = 6;
        sums.add(&Totals { failed, ..totals });
        let expected = Totals {
            connections: 2,
            established: 4,
            failed,
            open: 0,
            sent: 8,
            received: 10,
        };
        assert_eq!(sums.totals(), expected);
    }
}
