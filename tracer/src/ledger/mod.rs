//! Exact totals, bounded.
