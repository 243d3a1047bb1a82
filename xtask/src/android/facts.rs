//! What kind of device is it?

use anyhow::{Result, bail};

use super::device::Device;
use crate::architecture::Architecture;

/// The first kernel that runs programs on demand for the tracer. Phones have it that were sold with Android 12 or later.
const OLDEST: (u32, u32) = (5, 10);

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub model: String,
    /// Android's version, as 14.
    pub android: String,
    pub abi: String,
    pub machine: String,
    pub kernel: String,
}

impl Facts {
    pub fn of(device: &Device) -> Result<Self> {
        Ok(read(&device.shell(SCRIPT)?.stdout))
    }

    /// What to build for it.
    pub fn architecture(&self) -> Result<Architecture> {
        let of = |name: &str| match name {
            "arm64-v8a" | "aarch64" => Some(Architecture::Arm),
            "x86_64" => Some(Architecture::X86),
            _ => None,
        };
        // Programs of 32 bits may be all that Android has there, while the kernel runs others too.
        match of(&self.abi).or_else(|| of(&self.machine)) {
            Some(architecture) => Ok(architecture),
            None => bail!(
                "tracer is not built for this device: its ABI is {:?}, its processor {:?}\nhint: it takes a device of arm64-v8a or x86_64",
                self.abi,
                self.machine
            ),
        }
    }

    /// Refuses a kernel that could not run tracer, before anything is changed.
    pub fn check_kernel(&self) -> Result<()> {
        match version(&self.kernel) {
            Some(version) if version < OLDEST => bail!(
                "the kernel {} is older than {}.{}, the first with what tracer needs\nhint: take a device that was sold with Android 12 or later, or an emulator of Android 12 or later",
                self.kernel,
                OLDEST.0,
                OLDEST.1
            ),
            // One that does not say its version may be new enough: tracer itself will tell.
            _ => Ok(()),
        }
    }
}

const SCRIPT: &str = "exec 2>/dev/null
echo model=\"$(getprop ro.product.model)\"
echo android=\"$(getprop ro.build.version.release)\"
echo abi=\"$(getprop ro.product.cpu.abi)\"
echo machine=\"$(uname -m)\"
echo kernel=\"$(uname -r)\"";

fn read(text: &str) -> Facts {
    let value = |name: &str| {
        let lines = text.lines().filter_map(|line| line.split_once('='));
        let mut values = lines.filter(|(found, _)| *found == name);
        values
            .next()
            .map_or(String::new(), |(_, value)| value.trim().to_owned())
    };
    Facts {
        model: value("model"),
        android: value("android"),
        abi: value("abi"),
        machine: value("machine"),
        kernel: value("kernel"),
    }
}

/// `5.10.177-android13-4` as 5 and 10.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(abi: &str, machine: &str, kernel: &str) -> Facts {
        read(&format!(
            "model=A=B\nandroid=14\nabi={abi}\r\nmachine={machine}\nkernel={kernel}\n"
        ))
    }

    #[test]
    fn facts_are_read_from_what_the_device_says() {
        let facts = facts("x86_64", "x86_64", "6.1.23-android14");
        assert_eq!((&*facts.model, &*facts.abi), ("A=B", "x86_64"));
        assert_eq!(read("nonsense"), Facts::default());
    }

    #[test]
    fn a_device_gets_the_binary_of_its_processor() {
        let check = |abi, machine, expected| {
            let found = facts(abi, machine, "6.1").architecture().ok();
            assert_eq!(found, expected, "{abi} {machine}");
        };
        check("arm64-v8a", "aarch64", Some(Architecture::Arm));
        check("x86_64", "x86_64", Some(Architecture::X86));
        check("armeabi-v7a", "aarch64", Some(Architecture::Arm));
        check("", "x86_64", Some(Architecture::X86));
        check("armeabi-v7a", "armv7l", None);
        check("riscv64", "riscv64", None);
    }

    #[test]
    fn an_old_kernel_is_refused() {
        let check = |kernel, expected| {
            let end = facts("x86_64", "x86_64", kernel).check_kernel();
            assert_eq!(end.is_ok(), expected, "{kernel}");
        };
        check("4.19.278-g123", false);
        check("5.4.0", false);
        check("5.9.16", false);
        check("5.10.0", true);
        check("5.10.177-android13-4-00003-g1-ab1", true);
        check("6.12", true);
        check("", true);
    }
}
