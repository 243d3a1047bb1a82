//! How is a case played? Its programs run one after the other, each as an app of its own name.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use super::{
    cases::{BROWSER, Case},
    names::Names,
    place::Place,
    servers::python,
};
use crate::support::{Helper, patience};

/// Seconds that a program may take. Each ends by itself before.
const LONGEST: u64 = 30;

/// What is put in front of a program: names are asked for on the client's own machine; or a cache asks instead; all processes of a browser end
/// with its first.
const WRAPPERS: [(&str, &[&str]); 3] = [
    (
        "stub",
        &[
            "unshare",
            "--mount",
            "sh",
            "-c",
            "mount --bind stub-resolv.conf /etc/resolv.conf && exec \"$@\"",
            "sh",
        ],
    ),
    (
        "cache",
        &[
            "unshare",
            "--mount",
            "sh",
            "-c",
            "mount -t tmpfs none /run && mkdir /run/nscd && mount --bind nscd /run/nscd && exec \"$@\"",
            "sh",
        ],
    ),
    (
        "browser",
        &[
            "unshare",
            "--pid",
            "--mount-proc",
            "--fork",
            "--kill-child",
            BROWSER,
            "--no-sandbox",
            "--headless",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-component-update",
            "--ignore-certificate-errors",
            "--dump-dom",
            "--user-data-dir=browser",
        ],
    ),
];

/// What plays the cases.
pub struct Player<'a> {
    place: &'a Place,
    python: (PathBuf, String),
}

impl<'a> Player<'a> {
    pub fn new(place: &'a Place) -> Self {
        Self {
            place,
            python: python(),
        }
    }

    /// Plays a case to its end, and returns those programs that hold their contacts open.
    pub fn play(&self, case: &Case, names: &Names) -> Vec<Helper> {
        let mut held = Vec::new();
        for step in case.does.split(" ; ").filter(|step| *step != "-") {
            let step = names.fill(step);
            if let Some(step) = step.strip_prefix("held: ") {
                let mut command = self.command(case.app, step);
                held.push(Helper::start(&mut command, "held"));
            } else if let Some((other, step)) = step.split_once(": ") {
                self.run(&format!("{}-{other}", case.app), step);
            } else {
                self.run(case.app, &step);
            }
        }
        held
    }

    /// What a program said, for a failure's message.
    pub fn said(&self, app: &str) -> String {
        fs::read_to_string(self.log(app)).unwrap_or_default()
    }

    fn log(&self, app: &str) -> String {
        self.place.path(&format!("{app}.log"))
    }

    fn run(&self, app: &str, step: &str) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log(app));
        let log = log.expect("a file for what it says");
        let errors = log.try_clone().expect("one more descriptor");
        let mut command = self.command(app, step);
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        wait(command.spawn().expect("start a program"), step);
    }

    /// The command of a step: what is put in front, variables, a program, and its arguments.
    fn command(&self, app: &str, step: &str) -> Command {
        let mut words = step.split(' ').peekable();
        let wrapper = WRAPPERS.iter().find(|(word, _)| words.peek() == Some(word));
        let mut line: Vec<PathBuf> = Vec::new();
        if let Some((_, wrapper)) = wrapper {
            words.next();
            line.extend(wrapper.iter().map(PathBuf::from));
        }
        let directory = &self.place.directory.0;
        let mut variables = vec![("HOME", directory.display().to_string())];
        while let Some(variable) = words.next_if(|word| word.contains('=') && !word.contains(':')) {
            let (name, value) = variable.split_once('=').expect("a variable");
            variables.push((name, value.to_owned()));
        }
        match wrapper {
            Some(("browser", _)) => {}
            _ => line.push(self.program(app, words.next().expect("a program"))),
        }
        if step.split(' ').any(|word| word == "python") {
            variables.push(("PYTHONHOME", self.python.1.clone()));
            line.push("apps.py".into());
        }
        let mut command = self.place.client.command(&line[0]);
        command.args(&line[1..]).args(words).current_dir(directory);
        command.env_clear().envs(variables);
        command.env("PATH", env::var_os("PATH").unwrap_or_default());
        command
    }

    /// The program of an app.
    fn program(&self, app: &str, name: &str) -> PathBuf {
        match name {
            "python" => self.place.copy(&self.python.0, app),
            // It looks at its own name for what to be.
            "busybox" => self.place.copy(&found(name), &format!("busybox-{app}")),
            name => self.place.copy(&found(name), app),
        }
    }
}

/// Waits for a program, and ends it where it does not end itself.
fn wait(mut child: Child, step: &str) {
    let deadline = Instant::now() + patience(LONGEST);
    while child.try_wait().expect("ask for its state").is_none() {
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{step} did not end");
        }
        sleep(Duration::from_millis(5));
    }
}

/// Where a program is.
fn found(program: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places = env::split_paths(&path).map(|place| place.join(program));
    let found = places.find(|place| Path::is_file(place));
    found.unwrap_or_else(|| panic!("{program} is missing; hint: cargo xtask setup"))
}
