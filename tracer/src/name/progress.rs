//! What are the first bytes of a stream, as far as they are there?

/// What some first bytes of a stream are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress<T> {
    /// There are too few bytes to tell.
    Incomplete,
    /// They are no such thing, and never will be, whatever follows.
    Not,
    /// They are this, whatever follows.
    Is(T),
}
