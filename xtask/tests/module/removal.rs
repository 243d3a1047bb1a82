//! Does everything end with the module, whatever happened before, and nothing else?

use std::fs;

use crate::phone::{in_both_shells, signal};
use crate::service::{boot, check_gone, owner};

#[test]
fn a_module_switched_off_or_removed_ends_and_keeps_its_files() {
    for flag in ["module/disable", "module/remove"] {
        in_both_shells(|phone| {
            boot(&phone);
            phone.write(flag, "");
            check_gone(&phone);
            assert_eq!(phone.starts(), 1);
            assert!(phone.path("data/tracer.log").exists());
        });
    }
}

#[test]
fn after_a_killed_supervisor_one_tracer_runs() {
    in_both_shells(|phone| {
        boot(&phone);
        let (supervisor, tracer) = (owner(&phone, "supervisor"), owner(&phone, "tracer"));
        signal(supervisor.expect("a supervisor"), libc::SIGKILL);
        phone.run("boot-completed.sh");
        phone.wait_until("it is started again", || phone.starts() == 2);
        phone.wait_until("it is written down", || {
            owner(&phone, "tracer").is_some_and(|now| Some(now) != tracer)
        });
        phone.wait_until("nothing of the first is left", || {
            phone.sessions().len() == 1
        });
        assert_ne!(owner(&phone, "supervisor"), supervisor);
    });
}

#[test]
fn nothing_stays_after_the_removal() {
    in_both_shells(|phone| {
        boot(&phone);
        phone.run("uninstall.sh");
        phone.wait_until("nothing runs", || phone.processes().is_empty());
        assert!(!phone.path("data").exists());
    });
}

#[test]
fn nothing_stays_of_those_that_do_not_listen() {
    in_both_shells(|phone| {
        phone.write("behaviour", "trap '' TERM\nsleep 1000 &\nwait\n");
        boot(&phone);
        signal(
            owner(&phone, "supervisor").expect("a supervisor"),
            libc::SIGSTOP,
        );
        phone.run("uninstall.sh");
        phone.wait_until("nothing runs", || phone.processes().is_empty());
        assert!(!phone.path("data").exists());
    });
}

#[test]
fn nothing_stays_of_a_tracer_without_a_supervisor() {
    in_both_shells(|phone| {
        boot(&phone);
        signal(
            owner(&phone, "supervisor").expect("a supervisor"),
            libc::SIGKILL,
        );
        phone.run("uninstall.sh");
        phone.wait_until("nothing runs", || phone.processes().is_empty());
        assert!(!phone.path("data").exists());
    });
}

#[test]
fn a_process_that_took_over_a_number_is_left_alone() {
    in_both_shells(|phone| {
        fs::create_dir(phone.path("data")).expect("create the folder");
        let mut other = phone.sh();
        let mut other = other.args(["-c", "sleep 1000; :"]).spawn().expect("start");
        // Its number, with the start of another.
        let text = format!("{} 1 00000000\n", other.id());
        phone.write("data/supervisor.pid", &text);
        phone.write("data/tracer.pid", &text);
        phone.run("uninstall.sh");
        assert!(other.try_wait().expect("look at it").is_none());
        signal(other.id(), libc::SIGKILL);
        other.wait().expect("wait for it");
    });
}
