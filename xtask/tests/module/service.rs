//! Is the tracer started when it may be, once, and again when it fails?

use std::fs;

use crate::phone::{Phone, SERVE, in_both_shells, signal};

/// Starts the module as at boot and waits for the tracer.
pub fn boot(phone: &Phone) {
    phone.run("service.sh");
    phone.wait_until("the tracer is started", || phone.starts() == 1);
    phone.wait_until("and written down", || owner(phone, "tracer").is_some());
}

/// The process that is written down.
pub fn owner(phone: &Phone, name: &str) -> Option<u32> {
    let lines = phone.lines(&format!("data/{name}.pid"));
    lines.first()?.split(' ').next()?.parse().ok()
}

/// The delays that the log tells of.
fn delays(phone: &Phone) -> Vec<u32> {
    let log = phone.lines("data/tracer.log");
    log.iter()
        .filter_map(|line| line.split_once("started again in ")?.1.strip_suffix(" s"))
        .map(|delay| delay.parse().expect("a number of seconds"))
        .collect()
}

#[track_caller]
pub fn check_gone(phone: &Phone) {
    phone.wait_until("nothing runs", || phone.processes().is_empty());
    assert!(!phone.path("data/supervisor.pid").exists());
    assert!(!phone.path("data/tracer.pid").exists());
}

#[test]
fn nothing_is_started_before_the_boot_is_completed() {
    in_both_shells(|phone| {
        phone.write("boot", "");
        phone.run("service.sh");
        phone.wait_until("it waits", || phone.lines("naps").len() >= 5);
        assert_eq!(phone.lines("naps")[..5], ["5"; 5]);
        assert_eq!(phone.starts(), 0);
        phone.write("boot", "1\n");
        phone.wait_until("it starts", || phone.starts() == 1);
    });
}

#[test]
fn a_module_switched_off_during_the_boot_starts_nothing() {
    in_both_shells(|phone| {
        phone.write("boot", "");
        phone.run("service.sh");
        phone.wait_until("it waits", || !phone.lines("naps").is_empty());
        phone.write("module/disable", "");
        check_gone(&phone);
        assert_eq!(phone.starts(), 0);
    });
}

#[test]
fn it_runs_once_however_often_it_is_started() {
    in_both_shells(|phone| {
        fs::create_dir(phone.path("data")).expect("create the folder");
        // Of a supervisor from before the last boot.
        phone.write("data/supervisor.pid", "1 1 00000000\n");
        let mut scripts: Vec<_> = ["service.sh", "boot-completed.sh"]
            .iter()
            .cycle()
            .take(10)
            .map(|script| {
                let mut command = phone.sh();
                command.arg(phone.path("module").join(script));
                command.spawn().expect("start the shell")
            })
            .collect();
        for script in &mut scripts {
            assert!(script.wait().expect("wait for it").success());
        }
        phone.wait_until("it is started", || phone.starts() >= 1);
        phone.wait_until("the others have ended", || phone.sessions().len() == 1);
        assert_eq!(phone.starts(), 1);
        let files = fs::read_dir(phone.path("data")).expect("list the folder");
        let mut names: Vec<_> = files
            .map(|entry| entry.expect("a file").file_name().display().to_string())
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["lock", "supervisor.pid", "tracer.log", "tracer.pid"]
        );
    });
}

#[test]
fn without_flock_it_runs_once_too() {
    in_both_shells(|phone| {
        fs::remove_file(phone.path("bin/flock")).expect("take flock away");
        // As long as it says: who comes second waits for the first to write itself down.
        phone.write("bin/doze", "#!ROOT/bin/sh\nexec sleep \"$1\"\n");
        let scripts = ["service.sh", "boot-completed.sh", "service.sh"];
        let started: Vec<_> = scripts
            .iter()
            .map(|script| phone.sh().arg(phone.path("module").join(script)).spawn())
            .collect();
        for script in started {
            let status = script.expect("start the shell").wait();
            assert!(status.expect("wait for it").success());
        }
        phone.wait_until("it is started", || phone.starts() >= 1);
        phone.wait_until("the others have ended", || phone.sessions().len() == 1);
        assert_eq!(phone.starts(), 1);
        phone.run("uninstall.sh");
        assert!(!phone.path("data").exists());
        // One that was killed leaves its folder behind; the next goes on all the same.
        fs::create_dir_all(phone.path("data/alone")).expect("create the folder");
        phone.run("service.sh");
        phone.wait_until("it is started again", || phone.starts() == 2);
    });
}

#[test]
fn the_options_are_passed_on_word_by_word() {
    in_both_shells(|phone| {
        fs::create_dir(phone.path("data")).expect("create the folder");
        phone.write(
            "data/options",
            "# --hooks none\r\n  # more\r\n--listen 127.0.0.1:1\r\n\r\n--log   *\r\n--packages-list a",
        );
        boot(&phone);
        assert_eq!(
            phone.lines("starts"),
            ["run --listen 127.0.0.1:1 --log * --packages-list a"]
        );
    });
}

#[test]
fn a_tracer_that_fails_is_started_again_later_and_later() {
    in_both_shells(|phone| {
        let behaviour = format!("[ \"$(wc -l <ROOT/starts)\" -ge 9 ] || exit 1\n{SERVE}");
        phone.write("behaviour", &behaviour);
        phone.run("service.sh");
        phone.wait_until("the ninth stays", || phone.starts() == 9);
        assert_eq!(delays(&phone), [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(phone.state(), None);
    });
}

#[test]
fn who_ran_long_enough_is_started_again_soon() {
    in_both_shells(|phone| {
        let behaviour = format!("[ \"$(wc -l <ROOT/starts)\" -ge 9 ] || exit 2\n{SERVE}");
        phone.write("behaviour", &behaviour);
        let service = phone.path("module/service.sh");
        let status = phone.sh().arg(service).env("TRACER_STEADY", "0").status();
        assert!(status.expect("start the shell").success());
        phone.wait_until("the ninth stays", || phone.starts() == 9);
        assert_eq!(delays(&phone), [1; 8]);
    });
}

#[test]
fn a_tracer_that_cannot_run_is_given_up_after_five_more_tries() {
    in_both_shells(|phone| {
        phone.write("words", "tracer: no ring buffer [a] & \\b\nhint: none\n");
        phone.write("behaviour", "cat >&2 ROOT/words\nexit 2");
        phone.run("service.sh");
        phone.wait_until("it has begun", || phone.starts() >= 1);
        check_gone(&phone);
        assert_eq!(phone.starts(), 6);
        assert_eq!(delays(&phone), [1, 2, 4, 8, 16]);
        let log = phone.lines("data/tracer.log");
        let last = log.last().expect("a line");
        assert!(
            last.ends_with("tracer cannot run, and is given up until the next boot, or Action"),
            "{last}"
        );
        let expected = "does not run: tracer: no ring buffer [a] & \\b";
        assert_eq!(phone.state().as_deref(), Some(expected));
        assert_eq!(phone.lines("module/module.prop").len(), 6);

        // What was in the way is gone, and the button is pressed.
        phone.write("behaviour", SERVE);
        let said = phone.run("action.sh");
        assert!(
            said.starts_with("tracer did not run, and is started\n"),
            "{said}"
        );
        assert!(said.contains(last.as_str()), "{said}");
        phone.wait_until("it is started", || phone.starts() == 7);
        phone.wait_until("all is well", || phone.state().is_none());
    });
}

#[test]
fn a_tracer_that_is_missing_is_given_up_too() {
    in_both_shells(|phone| {
        fs::remove_file(phone.path("module/tracer")).expect("remove the tracer");
        phone.run("service.sh");
        phone.wait_until("it tries", || !delays(&phone).is_empty());
        check_gone(&phone);
        assert_eq!(delays(&phone), [1, 2, 4, 8, 16]);
    });
}

#[test]
fn a_tracer_that_was_told_to_end_is_not_started_again() {
    in_both_shells(|phone| {
        boot(&phone);
        signal(owner(&phone, "tracer").expect("a tracer"), libc::SIGTERM);
        check_gone(&phone);
        assert_eq!(phone.starts(), 1);
    });
}

#[test]
fn the_button_says_how_things_stand() {
    in_both_shells(|phone| {
        boot(&phone);
        let tracer = owner(&phone, "tracer").expect("a tracer");
        let said = phone.run("action.sh");
        let log = phone.path("data/tracer.log");
        let start = format!(
            "tracer runs, its process is {tracer}\nthe end of {}:\n",
            log.display()
        );
        assert!(said.starts_with(&start), "{said}");
        phone.write("module/disable", "");
        check_gone(&phone);
        let said = phone.run("action.sh");
        assert!(
            said.starts_with("tracer is switched off\nhint: switch the module on\n"),
            "{said}"
        );
        assert_eq!(phone.starts(), 1);
    });
}

#[test]
fn three_old_logs_are_kept() {
    in_both_shells(|phone| {
        // Six times more than fits, each time after the log was emptied; 100 lines of 20 bytes.
        phone.write(
            "behaviour",
            &format!(
                "for part in 1 2 3 4 5 6; do\n\
                 line=0\n\
                 while [ $line -lt 100 ]; do echo \"part $part 0123456789ab\"; line=$((line + 1)); done\n\
                 while grep -q \"part $part\" ROOT/data/tracer.log; do sleep 0.02; done\n\
                 done\n{SERVE}"
            ),
        );
        let service = phone.path("module/service.sh");
        let status = phone
            .sh()
            .arg(service)
            .env("TRACER_LOG_BYTES", "1500")
            .status();
        assert!(status.expect("start the shell").success());
        phone.wait_until("the last part is put aside", || {
            phone
                .lines("data/tracer.log.1")
                .last()
                .is_some_and(|line| line.starts_with("part 6"))
                && phone.lines("data/tracer.log").is_empty()
        });
        for (file, part) in [(1, 6), (2, 5), (3, 4)] {
            let lines = phone.lines(&format!("data/tracer.log.{file}"));
            assert_eq!(lines, vec![format!("part {part} 0123456789ab"); 100]);
        }
        assert!(!phone.path("data/tracer.log.4").exists());
        assert_eq!(phone.starts(), 1);
    });
}
