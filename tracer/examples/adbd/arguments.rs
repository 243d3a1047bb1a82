//! The command line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};

/// Plays the device for the real adb client.
#[derive(Parser)]
pub struct Arguments {
    /// Where to listen; with port 0 the kernel chooses. `ready` is printed, and the address on the next line
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:5555")]
    pub listen: SocketAddr,
    /// What the device allows
    #[arg(long, default_value = "userdebug")]
    pub profile: Profile,
    /// The shell that runs commands; /system/bin/sh where there is one, else /bin/sh
    #[arg(long, value_name = "PATH")]
    pub shell: Option<PathBuf>,
    /// The model of the device
    #[arg(long, value_name = "NAME", default_value = "adbd", value_parser = model)]
    pub model: String,
    /// Set for shells; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub environment: Vec<(String, String)>,
    /// Put shells into this control group, and kill all that is in it where the real one restarts, as init does
    #[arg(long, value_name = "PATH")]
    pub control_group: Option<PathBuf>,
    /// End when stdin closes, not only on SIGTERM
    #[arg(long)]
    pub until_stdin_closes: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// A build for developers: `adb root` works
    Userdebug,
    /// What is sold: `adb root` is refused
    User,
    /// Nobody has allowed this computer on the device's screen
    Unauthorised,
}

impl Arguments {
    pub fn shell(&self) -> PathBuf {
        let android = Path::new("/system/bin/sh");
        let other = if android.exists() {
            android
        } else {
            Path::new("/bin/sh")
        };
        self.shell.clone().unwrap_or_else(|| other.to_owned())
    }
}

/// The banner separates its parts by these signs.
fn model(text: &str) -> Result<String, String> {
    if text.contains([';', '=', '\0', '\n']) {
        return Err("a model has none of the signs ; = in it".to_owned());
    }
    Ok(text.to_owned())
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is not NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
