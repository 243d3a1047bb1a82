//! How is somebody told what to do? Lines on a socket, each with an answer of one line: `ok …` or `error …`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Does what each line says, of one caller after the other, until this process is ended.
pub fn obey(socket: &Path, mut each: impl FnMut(&str) -> Result<String>) -> Result<()> {
    if let Some(folder) = socket.parent() {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    let _ = fs::remove_file(socket);
    let listener =
        UnixListener::bind(socket).with_context(|| format!("listen on {}", socket.display()))?;
    say("ready");
    loop {
        let (caller, _) = listener.accept().context("accept a caller")?;
        // A caller that goes away in between is not the end of this.
        let _ = serve(&caller, &mut each);
    }
}

/// Answers each line of a caller until he goes away.
pub fn serve(caller: &UnixStream, each: &mut impl FnMut(&str) -> Result<String>) -> Result<()> {
    for line in BufReader::new(caller).lines() {
        let line = line?;
        let answer = match each(&line) {
            Ok(answer) => format!("ok {answer}"),
            Err(error) => format!("error {line}: {error:#}"),
        };
        writeln!(&mut &*caller, "{}", answer.trim_end())?;
    }
    Ok(())
}

/// Sends the lines of a file, and prints the answers. Stops at the first that is an error.
pub fn tell(socket: &Path, file: &Path) -> Result<()> {
    let lines = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let caller =
        UnixStream::connect(socket).with_context(|| format!("connect to {}", socket.display()))?;
    let mut answers = BufReader::new(&caller).lines();
    for line in lines.lines().filter(|line| !line.is_empty()) {
        writeln!(&mut &caller, "{line}").context("tell")?;
        let answer = answers.next().context("it ended")?.context("listen")?;
        say(&answer);
        if !answer.starts_with("ok") {
            bail!("{answer}");
        }
    }
    Ok(())
}

/// What others wait for, or read.
#[expect(clippy::print_stdout, reason = "it is data for who started this")]
pub fn say(line: &str) {
    println!("{line}");
}
