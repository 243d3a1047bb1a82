//! How long has each app been silent?

use crate::model::Totals;

/// By identity. A moment is a number that only grows.
#[derive(Default)]
pub struct Silence {
    apps: Vec<App>,
    now: u64,
}

#[derive(Clone, Copy, Default)]
struct App {
    /// All its counters in one number, as of the last reading and as far as this one has come.
    before: u64,
    sum: u64,
    since: u64,
}

impl Silence {
    /// Since when an app has been silent; 0 where it was never heard.
    pub fn since(&self, identity: u32) -> u64 {
        self.apps.get(identity as usize).map_or(0, |app| app.since)
    }

    /// An app did something just now.
    pub fn hear(&mut self, identity: u32) {
        self.now += 1;
        let now = self.now;
        self.app(identity).since = now;
    }

    /// A row of an app in this reading.
    pub fn look(&mut self, identity: u32, totals: &Totals) {
        // The gauge is left out: all others only grow, so the sum is another one exactly when one of them is.
        let counters = [
            totals.connections,
            totals.established,
            totals.sent,
            totals.received,
        ];
        let app = self.app(identity);
        app.sum = counters
            .into_iter()
            .chain(totals.failed)
            .fold(app.sum, u64::wrapping_add);
    }

    /// Ends a reading: an app whose counters are as they were stays silent.
    pub fn finish(&mut self) {
        self.now += 1;
        for app in &mut self.apps {
            if app.sum != app.before {
                app.since = self.now;
            }
            app.before = std::mem::take(&mut app.sum);
        }
    }

    /// The number will be another app's.
    pub fn forget(&mut self, identity: u32) {
        *self.app(identity) = App::default();
    }

    fn app(&mut self, identity: u32) -> &mut App {
        let index = identity as usize;
        if self.apps.len() <= index {
            self.apps.resize(index + 1, App::default());
        }
        &mut self.apps[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_is_silent_as_long_as_its_counters_stay_what_they_are() {
        let mut silence = Silence::default();
        let mut read = |sent: [u64; 2]| {
            for (identity, sent) in [1, 2].into_iter().zip(sent) {
                let totals = Totals {
                    sent,
                    ..Totals::default()
                };
                silence.look(identity, &totals);
            }
            silence.finish();
            silence.since(1).cmp(&silence.since(2))
        };
        assert!(read([5, 5]).is_eq());
        assert!(read([6, 5]).is_gt());
        assert!(read([6, 5]).is_gt());
        assert!(read([6, 6]).is_lt());
        silence.hear(1);
        assert!(silence.since(1) > silence.since(2));
        silence.forget(1);
        assert_eq!((silence.since(1), silence.since(9)), (0, 0));
    }
}
