//! Snapshot -> what a reader gets. Changes nothing.
