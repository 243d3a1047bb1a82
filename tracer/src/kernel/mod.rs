//! Load, attach, read.
