//! A C library of which there is a copy that nobody else has, as in each container: it is found, read as what it is, and left.

use std::{env, fs, os::unix::fs::symlink, path::PathBuf, process::Command};

use crate::{
    asked::{World, asked, asked_in_all, by_name, by_port, without_servers},
    support::{Helper, Metrics, Tracer, run},
};

/// Libraries that are probed.
fn libraries(metrics: &Metrics) -> u64 {
    metrics.sum("tracer_map_entries", &[("map", "libraries")])
}

/// Functions of a library, and the ways in which they are asked.
const WAYS: [&str; 5] = [
    "getaddrinfo",
    "gethostbyname",
    "gethostbyname2",
    "gethostbyname_r",
    "gethostbyname2_r",
];

/// The program in C, with a copy of a library that nobody else uses, and that goes with its file system.
struct Own<'a> {
    world: &'a World,
    program: PathBuf,
    /// Where the library is.
    mount: PathBuf,
}

impl<'a> Own<'a> {
    /// `files` are what it needs: where each comes from, and what it is called. The first is its loader.
    fn new(world: &'a World, compiler: &str, files: &[(&str, &str)]) -> Self {
        let directory = fs::canonicalize(&world.directory.0).expect("a folder");
        let mount = directory.join("library");
        let own = Self {
            world,
            program: directory.join(compiler),
            mount: mount.clone(),
        };
        own.mount();
        for (from, name) in files {
            fs::copy(from, mount.join(name)).unwrap_or_else(|error| panic!("copy {from}: {error}"));
        }
        if compiler == "musl-gcc" {
            symlink(files[0].1, mount.join("libc.so")).expect("make a link");
        }
        let source = directory.join("library.c");
        fs::write(&source, include_str!("library.c")).expect("write the program");
        let loader = mount.join(files[0].1);
        run(Command::new(compiler)
            .args(["-Wall", "-Werror", "-o"])
            .arg(&own.program)
            .arg(&source)
            .arg(format!("-Wl,--dynamic-linker={}", loader.display()))
            .arg(format!("-Wl,-rpath,{}", mount.display())));
        own
    }

    /// The stand-in for bionic, of which there is none that runs here.
    fn bionic(world: &'a World) -> Self {
        let directory = fs::canonicalize(&world.directory.0).expect("a folder");
        let own = Self {
            world,
            program: directory.join("bionic"),
            mount: directory.join("library"),
        };
        own.mount();
        let source = directory.join("bionic.c");
        fs::write(&source, include_str!("bionic.c")).expect("write the program");
        let library = own.mount.join("libc.so");
        let compiler = || {
            let mut command = Command::new("gcc");
            command
                .args(["-O2", "-Wall", "-Werror"])
                .arg(&source)
                .arg("-o");
            command
        };
        run(compiler()
            .arg(&library)
            .args(["-shared", "-fPIC", "-DLIBRARY"]));
        run(compiler().arg(&own.program).arg(&library));
        own
    }

    fn mount(&self) {
        fs::create_dir(&self.mount).expect("make a folder");
        let mut command = Command::new("mount");
        run(command.args(["-t", "tmpfs", "none"]).arg(&self.mount));
    }

    /// Asks in each way, once the library is known; then nothing of it is left.
    fn play(&self, app: &str, ways: &[&str]) {
        let times = ways.len() as u64;
        let tracer = Tracer::start(&[]);
        let before = libraries(&tracer.metrics());
        let mut asks = Helper::start(&mut self.world.command(&self.program), "ready");
        let contacts = |metrics: &Metrics| {
            metrics.sum(
                "tracer_connections_total",
                &[("app", app), ("direction", "out")],
            )
        };
        // With its first contact it is registered, and its library is found.
        asks.say("literal 10.77.0.3");
        assert_eq!(asks.line(), "done");
        tracer.wait_for("its library is probed", |metrics| {
            contacts(metrics) == 1 && libraries(metrics) == before + 1
        });
        for way in ways {
            for name in ["a.example", "b.example"] {
                asks.say(&format!("{way} {name}"));
                assert_eq!(asks.line(), "done", "{way} {name}");
            }
            asks.say(&format!("{way} missing.example"));
            assert_eq!(asks.line(), "nobody knows it", "{way}");
        }
        asks.finish();
        let metrics = by_port(&tracer, app, 1 + 2 * times);
        let places = [
            ("10.77.0.3", "none", 1),
            ("a.example", "lookup", times),
            ("b.example", "lookup", times),
        ];
        assert_eq!(without_servers(&metrics, app), by_name(&places));
        for name in ["a.example", "b.example", "missing.example"] {
            assert_eq!(asked(&metrics, app, name, "getaddrinfo"), times, "{name}");
        }
        assert_eq!(asked_in_all(&metrics, app), 3 * times);
        metrics.assert_nothing_lost();
        // Its file system can go, which the probes kept.
        tracer.wait_for("its library is left", |metrics| {
            libraries(metrics) == before
        });
        run(Command::new("umount").arg(&self.mount));
    }
}

impl Drop for Own<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .args(["-l", "-q"])
            .arg(&self.mount)
            .status();
    }
}

/// Fails where a compiler is missing.
fn require(compiler: &str) {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).any(|place| place.join(compiler).is_file());
    assert!(found, "{compiler} is missing; hint: cargo xtask setup");
}

#[test]
fn a_copy_of_glibc_that_comes_later_is_found_and_left() {
    let world = World::new("library-glibc");
    require("gcc");
    let libraries = "/lib/x86_64-linux-gnu";
    let own = Own::new(
        &world,
        "gcc",
        &[
            (
                &format!("{libraries}/ld-linux-x86-64.so.2"),
                "ld-linux-x86-64.so.2",
            ),
            (&format!("{libraries}/libc.so.6"), "libc.so.6"),
        ],
    );
    own.play("gcc", &WAYS);
    drop(own);
    world.end();
}

#[test]
fn a_copy_of_musl_is_found_and_left() {
    let world = World::new("library-musl");
    require("musl-gcc");
    // It asks DNS behind the file, and nobody answers.
    let resolv = "nameserver 10.77.0.9\noptions timeout:1 attempts:1\n";
    fs::write(world.directory.0.join("resolv"), resolv).expect("write a file");
    let own = Own::new(
        &world,
        "musl-gcc",
        &[("/lib/ld-musl-x86_64.so.1", "ld-musl-x86_64.so.1")],
    );
    own.play("musl-gcc", &WAYS);
    drop(own);
    world.end();
}

#[test]
fn a_copy_of_glibc_with_pointers_of_32_bits_is_found_and_left() {
    let world = World::new("library-narrow");
    require("i686-linux-gnu-gcc");
    let libraries = "/usr/i686-linux-gnu/lib";
    let own = Own::new(
        &world,
        "i686-linux-gnu-gcc",
        &[
            (&format!("{libraries}/ld-linux.so.2"), "ld-linux.so.2"),
            (&format!("{libraries}/libc.so.6"), "libc.so.6"),
        ],
    );
    own.play("i686-linux-gnu-gcc", &WAYS);
    drop(own);
    world.end();
}

#[test]
fn the_structures_of_bionic_are_read_as_its_headers_have_them() {
    let world = World::new("library-bionic");
    require("gcc");
    let own = Own::bionic(&world);
    let ways = [
        "getaddrinfo",
        "getaddrinfofornet",
        "getaddrinfofornetcontext",
        "gethostbyname",
        "gethostbynamefornet",
        "gethostbynamefornetcontext",
    ];
    own.play("bionic", &ways);
    drop(own);
    world.end();
}
