//! At which offsets of an object stands a value that is known? Pure: bytes and values in, offsets out.
//!
//! A field is found by elimination. Each object of which the value is known strikes off the offsets at which something
//! else stands, until one is left. Nothing is chosen among several.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use anyhow::bail;

/// Offsets that are left, by what is looked for.
#[derive(Debug, Default)]
pub struct Places(BTreeMap<&'static str, BTreeSet<u32>>);

impl Places {
    /// Strikes off every offset at which `fits` is not true of what stands there and behind. Offsets are multiples of
    /// `step`, the alignment of the field.
    pub fn keep(
        &mut self,
        name: &'static str,
        step: usize,
        bytes: &[u8],
        fits: impl Fn(&[u8]) -> bool,
    ) {
        let fits = |at: u32| bytes.get(at as usize..).is_some_and(&fits);
        let all = || (0..bytes.len() as u32).step_by(step).collect();
        let left = self.0.entry(name).or_insert_with(all);
        left.retain(|at| fits(*at));
    }

    /// Adds an offset that was found in another way.
    pub fn allow(&mut self, name: &'static str, at: u32) {
        self.0.entry(name).or_default().insert(at);
    }

    /// Strikes off every offset at which `value` does not stand.
    pub fn look(&mut self, name: &'static str, step: usize, bytes: &[u8], value: &[u8]) {
        self.keep(name, step, bytes, |rest| rest.starts_with(value));
    }

    /// Strikes off every offset at which `fits` is not true of the numbers of `N` bytes before and after.
    pub fn change<const N: usize>(
        &mut self,
        name: &'static str,
        before: &[u8],
        after: &[u8],
        fits: impl Fn(u64, u64) -> bool,
    ) {
        let length = before.len();
        self.keep(name, N, before, |rest| {
            let at = length - rest.len();
            match (number::<N>(before, at), number::<N>(after, at)) {
                (Some(before), Some(after)) => fits(before, after),
                _ => false,
            }
        });
    }

    /// The offsets that are left.
    pub fn left(&self, name: &str) -> Vec<u32> {
        self.0
            .get(name)
            .map(|left| left.iter().copied().collect())
            .unwrap_or_default()
    }

    /// The one offset that is left.
    pub fn only(&self, name: &str) -> anyhow::Result<u32> {
        match self.left(name)[..] {
            [one] => Ok(one),
            [] => bail!("{name}: it stands nowhere that was looked at"),
            ref several => bail!("{name}: it may be at any of {several:?}"),
        }
    }
}

/// Ways from one object to another: the offset of a pointer, and what is right behind it.
#[derive(Debug)]
pub struct Ways<T>(Option<BTreeSet<(u32, T)>>);

impl<T> Default for Ways<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Ord + Clone> Ways<T> {
    /// Strikes off every way that is not among those that `behind` finds at the address that stands there.
    pub fn keep(
        &mut self,
        bytes: &[u8],
        mut behind: impl FnMut(u64) -> anyhow::Result<Vec<T>>,
    ) -> anyhow::Result<()> {
        let offsets: BTreeSet<u32> = match &self.0 {
            None => (0..bytes.len() as u32).step_by(8).collect(),
            Some(ways) => ways.iter().map(|(at, _)| *at).collect(),
        };
        let mut found = BTreeSet::new();
        let mut known: BTreeMap<u64, Vec<T>> = BTreeMap::new();
        for at in offsets {
            let Some(address) = number::<8>(bytes, at as usize).filter(|it| is_address(*it)) else {
                continue;
            };
            let right = match known.entry(address) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert(behind(address)?),
            };
            found.extend(right.iter().map(|what| (at, what.clone())));
        }
        match &mut self.0 {
            None => self.0 = Some(found),
            Some(ways) => ways.retain(|way| found.contains(way)),
        }
        Ok(())
    }

    /// The ways that are left.
    pub fn left(&self) -> Vec<(u32, T)> {
        self.0.iter().flatten().cloned().collect()
    }

    /// The one that is left; `name` is what is looked for.
    pub fn only(&self, name: &str) -> anyhow::Result<(u32, T)>
    where
        T: std::fmt::Debug,
    {
        match &self.left()[..] {
            [one] => Ok(one.clone()),
            [] => bail!("{name}: no way leads to it"),
            several => bail!("{name}: any of these ways may lead to it: {several:?}"),
        }
    }
}

/// Whether a number may be the address of an object of the kernel: in the upper part of the address space, whatever tag
/// is in its second half byte, and aligned.
pub fn is_address(number: u64) -> bool {
    number >> 60 == 0xf && number.is_multiple_of(8)
}

/// The number of `N` bytes at an offset, at most eight; `None` where it does not lie within.
pub fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let found: &[u8; N] = bytes.get(at..)?.first_chunk()?;
    let mut wide = [0; 8];
    let start = if cfg!(target_endian = "big") {
        8_usize.checked_sub(N)?
    } else {
        0
    };
    wide.get_mut(start..)?.get_mut(..N)?.copy_from_slice(found);
    Some(u64::from_ne_bytes(wide))
}

/// Offsets, in steps, at which a value stands.
pub fn all(bytes: &[u8], step: usize, value: &[u8]) -> Vec<u32> {
    (0..bytes.len())
        .step_by(step)
        .filter(|at| bytes[*at..].starts_with(value))
        .map(|at| at as u32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_object_that_differs_leaves_one_offset_of_two() {
        let mut places = Places::default();
        places.look("A", 2, &[7, 0, 7, 0, 7, 0], &[7, 0]);
        assert_eq!(places.left("A"), [0, 2, 4]);
        assert!(places.only("A").is_err());
        places.look("A", 2, &[1, 0, 9, 0, 8, 0], &[9, 0]);
        assert_eq!(places.only("A").expect("one place"), 2);
        places.look("A", 2, &[1, 0, 9], &[5, 0]);
        assert!(places.only("A").is_err());
        assert!(places.only("B").is_err());
    }

    #[test]
    fn a_word_is_found_by_how_it_changes() {
        let mut places = Places::default();
        let grows = |before, after| after == before + 1;
        places.change::<4>(
            "A",
            &[1, 0, 0, 0, 5, 0, 0, 0],
            &[2, 0, 0, 0, 6, 0, 0, 0],
            grows,
        );
        places.change::<4>(
            "A",
            &[2, 0, 0, 0, 6, 0, 0, 0],
            &[3, 0, 0, 0, 6, 0, 0, 0],
            grows,
        );
        assert_eq!(places.only("A").expect("one place"), 0);
    }

    #[test]
    fn a_way_leads_through_the_pointer_behind_which_the_value_stands() {
        let (first, second) = (0xffff_8000_0000_1000_u64, 0xffff_8000_0000_2000_u64);
        let object = |a: u64, b: u64| [a.to_ne_bytes(), b.to_ne_bytes()].concat();
        let mut ways = Ways::default();
        let mut behind = |address: u64| {
            Ok(if address == first {
                vec![4_u32]
            } else {
                vec![]
            })
        };
        ways.keep(&object(first, first), &mut behind)
            .expect("reads");
        assert_eq!(ways.left().len(), 2);
        ways.keep(&object(second, first), &mut behind)
            .expect("reads");
        assert_eq!(ways.only("A").expect("one way"), (8, 4));
        ways.keep(&object(0, 0), &mut behind).expect("reads");
        assert!(ways.only("A").is_err());
    }

    proptest! {
        #[test]
        fn the_true_offset_is_never_struck_off(
            objects in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 64..96), 1..6),
            at in 0_usize..15,
        ) {
            let mut places = Places::default();
            for bytes in &objects {
                places.look("A", 4, bytes, &bytes[4 * at..4 * at + 4]);
            }
            prop_assert!(places.left("A").contains(&(4 * at as u32)));
        }

        #[test]
        fn arbitrary_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..64), value in proptest::collection::vec(any::<u8>(), 0..9), at in any::<usize>()) {
            let mut places = Places::default();
            places.look("A", 8, &bytes, &value);
            places.look("A", 8, &bytes[..bytes.len() / 2], &value);
            places.change::<8>("B", &bytes, &value, |_, _| true);
            let mut ways = Ways::default();
            let _ = ways.keep(&bytes, |address| Ok(vec![address]));
            let _ = ways.keep(&value, |address| Ok(vec![address]));
            let _ = number::<8>(&bytes, at);
            for at in all(&bytes, 2, &value) {
                prop_assert!(bytes[at as usize..].starts_with(&value));
            }
        }
    }
}
