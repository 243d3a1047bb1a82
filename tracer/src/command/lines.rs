//! Where log lines go: standard error, one a line, as much as the user asked for.

use log::{LevelFilter, Log, Metadata, Record};

struct Stderr;

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // aya tells each relocation of the object; what is asked for is the tracer's own and the kernel side's log.
        metadata.level() <= log::max_level()
            && (metadata.level() <= log::Level::Info || !metadata.target().starts_with("aya_obj"))
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            eprintln!(
                "{}: {}: {}",
                record.level().as_str().to_lowercase(),
                record.target(),
                record.args()
            );
        }
    }

    fn flush(&self) {}
}

/// From now on, lines up to `level` are written.
pub fn write(level: LevelFilter) {
    // It fails only when a logger is set already, and this is the one place that sets one.
    let _ = log::set_logger(&Stderr);
    log::set_max_level(level);
}
