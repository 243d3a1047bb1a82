//! What does something add, when each run with it is compared with the run without it just before?

use super::storm::Run;

/// The runs of one comparison.
#[derive(Default)]
pub struct Pairs {
    pairs: Vec<(Run, Run)>,
}

impl Pairs {
    pub fn add(&mut self, without: Run, with: Run) {
        self.pairs.push((without, with));
    }

    /// Median of what was added to the time of one connection, in microseconds.
    pub fn added(&self) -> f64 {
        self.median(|(without, with)| with.wall - without.wall)
    }

    /// What there is to say about it.
    pub fn note(&self) -> String {
        let differences = self.sorted(|(without, with)| with.wall - without.wall);
        let quarter = differences.len() / 4;
        format!(
            "[{:.2}..{:.2}] over {:.2} µs, x{:.3}; on-CPU {:+.3}; others took {:.0} %",
            differences[quarter],
            differences[differences.len() - 1 - quarter],
            self.median(|(without, _)| without.wall),
            self.median(|(without, with)| with.wall / without.wall),
            self.median(|(without, with)| with.cpu - without.cpu),
            100.0 * self.median(|(without, _)| without.others),
        )
    }

    fn median(&self, of: impl Fn(&(Run, Run)) -> f64) -> f64 {
        median(self.pairs.iter().map(of).collect())
    }

    fn sorted(&self, of: impl Fn(&(Run, Run)) -> f64) -> Vec<f64> {
        let mut values: Vec<f64> = self.pairs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values
    }
}

/// 0 where there is nothing.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        length if length % 2 == 1 => values[length / 2],
        length => f64::midpoint(values[length / 2 - 1], values[length / 2]),
    }
}

/// The median, and between what the middle half of all lies.
pub fn figure(pairs: &[(f64, f64)], of: impl Fn((f64, f64)) -> f64) -> (f64, String) {
    let mut values: Vec<f64> = pairs.iter().copied().map(of).collect();
    values.sort_by(f64::total_cmp);
    let quarter = values.len() / 4;
    let note = match (
        values.get(quarter),
        values.get((values.len() - quarter).wrapping_sub(1)),
    ) {
        (Some(low), Some(high)) => format!("[{low:.2}..{high:.2}]"),
        _ => String::new(),
    };
    (median(values), note)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_middles() {
        let check = |values: &[f64], expected: f64| {
            assert!(
                (median(values.to_vec()) - expected).abs() < 1e-9,
                "{values:?}"
            );
        };
        check(&[], 0.0);
        check(&[3.0, 1.0, 2.0], 2.0);
        check(&[4.0, 1.0, 2.0, 3.0], 2.5);
    }

    #[test]
    fn what_is_added_is_compared_within_each_pair() {
        let run = |wall| Run {
            wall,
            cpu: wall,
            others: 0.0,
        };
        let mut pairs = Pairs::default();
        // The machine got slower meanwhile; what was added stayed the same.
        for base in [10.0, 20.0, 30.0] {
            pairs.add(run(base), run(base + 0.5));
        }
        assert!((pairs.added() - 0.5).abs() < 1e-9, "{}", pairs.added());
    }
}
