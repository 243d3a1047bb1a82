//! What the tracer tells of itself: its build, its process, and what answering scrapes costs.

use std::time::Duration;

use prometheus::{
    Gauge, Histogram, HistogramOpts, IntCounter, Opts, Registry,
    process_collector::ProcessCollector,
    proto::{LabelPair, Metric, MetricFamily, MetricType},
};

use super::{
    durations::{bucket, summary},
    format::{Format, Kind},
    value::{float, pairs},
};

/// Small families that need no snapshot.
pub struct OwnMetrics {
    registry: Registry,
    scrapes: IntCounter,
    rendering: Histogram,
}

impl Default for OwnMetrics {
    fn default() -> Self {
        const FIXED: &str = "the names are constants, valid and all different";

        let registry = Registry::new();
        let build = Opts::new(
            "tracer_build_info",
            "The build of the tracer; the value is always 1.",
        )
        .const_label("version", env!("CARGO_PKG_VERSION"))
        .const_label("architecture", std::env::consts::ARCH);
        let build = Gauge::with_opts(build).expect(FIXED);
        build.set(1.0);
        let scrapes = IntCounter::new(
            "tracer_scrapes_total",
            "Number of scrapes answered to the end.",
        )
        .expect(FIXED);
        let rendering = HistogramOpts::new(
            "tracer_scrape_duration_seconds",
            "Time spent on writing the answer to a scrape, without waiting for whoever reads it, in seconds.",
        )
        // Ten thousand series take about 1 ms and the goal for 100,000 is 20 ms.
        .buckets(vec![0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0]);
        let rendering = Histogram::with_opts(rendering).expect(FIXED);

        registry.register(Box::new(build)).expect(FIXED);
        registry.register(Box::new(scrapes.clone())).expect(FIXED);
        registry.register(Box::new(rendering.clone())).expect(FIXED);
        registry
            .register(Box::new(ProcessCollector::for_self()))
            .expect(FIXED);
        Self {
            registry,
            scrapes,
            rendering,
        }
    }
}

impl OwnMetrics {
    /// The families as they stand now.
    pub fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }

    /// Counts a scrape that was answered to the end.
    pub fn answered(&self, rendering: Duration) {
        self.scrapes.inc();
        self.rendering.observe(rendering.as_secs_f64());
    }
}

/// Writes one family of the `prometheus` crate.
pub fn write(out: &mut Vec<u8>, format: Format, family: &MetricFamily) {
    let name = family.name();
    let kind = match family.get_field_type() {
        MetricType::COUNTER => Kind::Counter,
        MetricType::HISTOGRAM => Kind::Histogram,
        _ => Kind::Gauge,
    };
    format.describe(out, name, kind, family.help());
    for metric in family.get_metric() {
        let labels: Vec<_> = metric
            .get_label()
            .iter()
            .map(|pair: &LabelPair| (pair.name(), pair.value()))
            .collect();
        match kind {
            Kind::Counter => single(out, name, &labels, metric.get_counter().get_value()),
            Kind::Gauge => single(out, name, &labels, metric.get_gauge().get_value()),
            Kind::Histogram => histogram(out, name, &labels, metric),
        }
    }
}

fn single(out: &mut Vec<u8>, name: &str, labels: &[(&str, &str)], value: f64) {
    out.extend_from_slice(name.as_bytes());
    if !labels.is_empty() {
        out.push(b'{');
        pairs(out, labels);
        out.push(b'}');
    }
    out.push(b' ');
    float(out, value);
    out.push(b'\n');
}

fn histogram(out: &mut Vec<u8>, name: &str, labels: &[(&str, &str)], metric: &Metric) {
    let histogram = metric.get_histogram();
    for part in histogram.get_bucket() {
        bucket(
            out,
            name,
            labels,
            part.upper_bound(),
            part.cumulative_count(),
        );
    }
    // The crate leaves out the bucket that holds everything; both formats demand it.
    bucket(
        out,
        name,
        labels,
        f64::INFINITY,
        histogram.get_sample_count(),
    );
    summary(
        out,
        name,
        labels,
        histogram.get_sample_sum(),
        histogram.get_sample_count(),
    );
}
