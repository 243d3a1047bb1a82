//! Where do the kernel side and the table of names inside the binary come from?
//!
//! `OUT_DIR/tracer-ebpf.o` is built here, or copied from `TRACER_EBPF_OBJECT` where someone has built it already.
//! `OUT_DIR/company.rs` is made of the files in `data/`.

#[path = "build/company/mod.rs"]
mod company;
#[path = "../xtask/src/ebpf.rs"]
mod ebpf;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    match place_object().and_then(|()| place_table()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn place_object() -> Result<(), String> {
    rerun("if-env-changed", "TRACER_EBPF_OBJECT");
    let out = PathBuf::from(variable("OUT_DIR")?);
    let object = if let Some(object) =
        env::var_os("TRACER_EBPF_OBJECT").filter(|object| !object.is_empty())
    {
        let object = PathBuf::from(object);
        rerun("if-changed", &object.display().to_string());
        object
    } else {
        for part in [
            "tracer-ebpf",
            "tracer-common",
            "xtask/src/ebpf.rs",
            "Cargo.toml",
            "Cargo.lock",
        ] {
            rerun("if-changed", &format!("../{part}"));
        }
        let workspace = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("..");
        ebpf::build(
            &workspace,
            &shared_target_dir(&out)?,
            &variable("CARGO_CFG_TARGET_ARCH")?,
        )?
    };
    let placed = out.join("tracer-ebpf.o");
    fs::copy(&object, &placed)
        .map_err(|error| format!("copy {} to {}: {error}", object.display(), placed.display()))?;
    Ok(())
}

fn place_table() -> Result<(), String> {
    rerun("if-changed", "../data");
    rerun("if-changed", "build/company");
    rerun("if-changed", "src/enrich/layout.rs");
    let data = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("../data");
    let placed = PathBuf::from(variable("OUT_DIR")?).join("company.rs");
    fs::write(&placed, company::table(&data)?)
        .map_err(|error| format!("write {}: {error}", placed.display()))
}

/// `target/ebpf`: one for debug, release, clippy and tests, so that the object is built once. It is not the target
/// directory itself, whose lock the outer cargo holds while this runs.
fn shared_target_dir(out: &Path) -> Result<PathBuf, String> {
    let triple = variable("TARGET")?;
    let target_dir = out
        .ancestors()
        // cargo marks the folders it may fill as caches, the one of a triple too.
        .find(|folder| folder.join("CACHEDIR.TAG").is_file() && !folder.ends_with(&triple))
        .unwrap_or(out);
    Ok(target_dir.join("ebpf"))
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}, which cargo sets for build scripts: {error}"))
}

fn rerun(when: &str, what: &str) {
    println!("cargo:rerun-{when}={what}");
}
