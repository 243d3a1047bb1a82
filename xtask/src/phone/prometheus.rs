//! A real Prometheus on this machine, which scrapes the phones as it would scrape any.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use super::emulator::free_port;
use super::report;

/// A phone that is emulated answers within this.
const TIMEOUT: &str = "10s";
const INTERVAL: &str = "10s";
/// For two scrapes.
const PATIENCE: Duration = Duration::from_secs(60);

/// It ends with the value, and what it kept goes too.
pub struct Prometheus {
    process: Child,
    folder: PathBuf,
    port: u16,
}

impl Prometheus {
    /// Scrapes one port of this machine.
    pub fn start(folder: &Path, target: u16) -> Result<Self> {
        let folder = folder.join(format!("prometheus-{target}"));
        // Left by a run that was killed.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let configuration = folder.join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: {INTERVAL}, scrape_timeout: {TIMEOUT}}}\n\
             scrape_configs: [{{job_name: phone, static_configs: [{{targets: ['127.0.0.1:{target}']}}]}}]\n"
        );
        fs::write(&configuration, text)
            .with_context(|| format!("write {}", configuration.display()))?;
        let port = free_port()?;
        let log = File::create(folder.join("log")).context("write Prometheus's log")?;
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("start prometheus")?;
        Ok(Self {
            process,
            folder,
            port,
        })
    }

    /// The values of a query by their labels, from a scrape that began after this was asked.
    pub fn fresh(&self, queries: &[String]) -> Result<Vec<BTreeMap<Labels, u64>>> {
        let asked = now()?;
        let start = Instant::now();
        loop {
            // A scrape has the time of its beginning.
            let last = self
                .query("timestamp(tracer_build_info)")
                .unwrap_or_default();
            if last.iter().any(|(_, value)| *value > asked) {
                break;
            }
            if start.elapsed() > PATIENCE {
                let said = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                bail!("Prometheus does not come to a scrape; it said:\n{said}");
            }
            sleep(Duration::from_millis(500));
        }
        let ask = |query: &String| {
            let rows = self.query(query)?;
            Ok(rows
                .into_iter()
                .map(|(labels, value)| (labels, value as u64))
                .collect())
        };
        queries.iter().map(ask).collect()
    }

    fn query(&self, query: &str) -> Result<Vec<(Labels, f64)>> {
        let body = report::get(
            self.port,
            &format!("/api/v1/query?query={}", escaped(query)),
        )?;
        let answer: serde_json::Value =
            serde_json::from_str(&body).context("an answer of Prometheus")?;
        let rows = answer["data"]["result"]
            .as_array()
            .context("a result of Prometheus")?;
        rows.iter()
            .map(|row| row_of(row).with_context(|| format!("{row}")))
            .collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Where it has ended already there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Names and values.
pub type Labels = BTreeMap<String, String>;

fn row_of(row: &serde_json::Value) -> Option<(Labels, f64)> {
    let labels = row["metric"].as_object()?;
    let labels = labels
        .iter()
        .map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    let value = row["value"][1].as_str()?.parse().ok()?;
    Some((labels.collect::<Option<_>>()?, value))
}

fn now() -> Result<f64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(since.context("the time")?.as_secs_f64())
}

/// Everything but letters and digits as `%XX`.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_stays_one_word_of_a_request() {
        assert_eq!(escaped("sum(a{b=\"c\"})"), "sum%28a%7Bb%3D%22c%22%7D%29");
    }

    #[test]
    fn a_row_has_labels_and_a_value() {
        let row = serde_json::json!({"metric": {"app": "a"}, "value": [1.5, "42"]});
        let labels = Labels::from([("app".to_owned(), "a".to_owned())]);
        assert_eq!(row_of(&row), Some((labels, 42.0)));
        assert_eq!(
            row_of(&serde_json::json!({"metric": {}, "value": [1]})),
            None
        );
    }
}
