//! A real Prometheus scrapes a running tracer, and its answers equal the truth.

use std::{
    fs,
    io::Write as _,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::support::{Directory, Namespace, Tracer, free_address, request, run};

/// A Prometheus of its own, ended when the value goes.
struct Prometheus {
    child: Child,
    address: std::net::SocketAddr,
}

impl Prometheus {
    fn start(directory: &Directory, target: std::net::SocketAddr) -> Self {
        let address = free_address();
        let configuration = directory.0.join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n  - job_name: tracer\n    static_configs: [{{targets: ['{target}']}}]\n"
        );
        fs::write(&configuration, text).expect("write the configuration");
        run(Command::new("promtool")
            .args(["check", "config"])
            .arg(&configuration));
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.0.join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start Prometheus; hint: apt-get install prometheus");
        let prometheus = Self { child, address };
        let deadline = Instant::now() + Duration::from_secs(30);
        while !request(address, "/-/ready").is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
        {
            assert!(
                Instant::now() < deadline,
                "Prometheus was not ready in 30 s"
            );
            sleep(Duration::from_millis(100));
        }
        prometheus
    }

    /// The result of a query at a time (seconds; now without one).
    fn query(&self, query: &str, time: Option<f64>) -> Vec<serde_json::Value> {
        let encoded = query
            .bytes()
            .fold(String::new(), |text, byte| format!("{text}%{byte:02x}"));
        let time = time
            .map(|time| format!("&time={time:.3}"))
            .unwrap_or_default();
        let answer = request(
            self.address,
            &format!("/api/v1/query?query={encoded}{time}"),
        )
        .expect("an answer");
        let body = answer.split_once("\r\n\r\n").expect("a body").1;
        let body = &body[body.find('{').expect("JSON")..=body.rfind('}').expect("JSON")];
        let value: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(value["status"], "success", "{value}");
        value["data"]["result"]
            .as_array()
            .expect("a result")
            .clone()
    }

    /// Times of the samples of a series, in seconds.
    fn times(&self, series: &str) -> Vec<f64> {
        let result = self.query(&format!("{series}[10m]"), None);
        let samples = result.first().map_or_else(Vec::new, |series| {
            series["values"].as_array().expect("samples").clone()
        });
        samples
            .iter()
            .map(|sample| sample[0].as_f64().expect("a time"))
            .collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_minute_of_scrapes_gives_increases_equal_to_the_truth() {
    let (directory, host) = (Directory::new("prometheus"), Namespace::new("tq"));
    let tracer = Tracer::start(&[]);
    let apps = ["steady", "bursts"];
    let play = |app: &str, times: u64| {
        run(host.command(&directory.app(app)).args([
            "storm",
            "--port",
            "7100",
            "--times",
            &times.to_string(),
        ]));
    };
    // A series must be there before an increase of it can be asked for.
    for app in apps {
        play(app, 10);
    }
    let prometheus = Prometheus::start(&directory, tracer.address);
    let series = |app: &str| format!("tracer_connections_total{{app=\"{app}\",direction=\"out\"}}");
    let wait_for_sample = |after: usize| {
        let deadline = Instant::now() + Duration::from_secs(30);
        while apps
            .iter()
            .any(|app| prometheus.times(&series(app)).len() <= after)
        {
            assert!(Instant::now() < deadline, "Prometheus does not scrape");
            sleep(Duration::from_millis(100));
        }
    };
    wait_for_sample(1);
    let began = Instant::now();
    let mut truths = [0, 0];
    let mut round = 0;
    while began.elapsed() < Duration::from_secs(60) {
        play("steady", 101);
        truths[0] += 101;
        if round % 7 == 3 {
            play("bursts", 5003);
            truths[1] += 5003;
        }
        round += 1;
        sleep(Duration::from_millis(500));
    }
    // Two more scrapes: the first may have begun before the last contact.
    wait_for_sample(prometheus.times(&series("steady")).len() + 1);
    for (app, truth) in apps.into_iter().zip(truths) {
        let times = prometheus.times(&series(app));
        let (first, last) = (times[0], times[times.len() - 1]);
        assert!(last - first >= 60.0, "a minute of samples");
        // A window from sample to sample, so that Prometheus has nothing to extrapolate.
        let window = ((last - first) * 1000.0).round();
        let answer = prometheus.query(
            &format!("increase({}[{window}ms])", series(app)),
            Some(last),
        );
        assert_eq!(answer.len(), 1, "one series: {answer:?}");
        let increase: f64 = answer[0]["value"][1]
            .as_str()
            .expect("a value")
            .parse()
            .expect("a number");
        assert!(
            (increase - f64::from(truth)).abs() < 1e-6,
            "{app}: {increase}, not {truth}"
        );
    }
    let up = prometheus.query("min_over_time(up[1m])", None);
    assert_eq!(up[0]["value"][1], "1", "no scrape failed");
}

#[test]
fn promtool_has_nothing_to_say_about_a_live_scrape() {
    let (directory, host) = (Directory::new("promtool"), Namespace::new("ty"));
    let tracer = Tracer::start(&[]);
    run(host.command(&directory.app("some app")).args([
        "storm",
        "--times",
        "100",
        "--destinations",
        "50",
    ]));
    let answer = request(tracer.address, "/metrics").expect("an answer");
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start promtool; hint: apt-get install prometheus");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
    let body = crate::support::unchunked(head, body);
    promtool
        .stdin
        .take()
        .expect("its input")
        .write_all(body.as_bytes())
        .expect("feed promtool");
    let output = promtool.wait_with_output().expect("wait for promtool");
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success() && said.is_empty(),
        "{}",
        String::from_utf8_lossy(&said)
    );
}
