//! Which phones are there? The table.

use crate::vm::kernels::{self, Kernel};

/// A phone: a kernel, and whose `netd` runs on it.
pub struct Model {
    /// What `--model` calls it.
    pub name: &'static str,
    /// The kernel, by its name in `cargo xtask vm --list`.
    kernel: &'static str,
    /// Android's version, and its number.
    pub android: &'static str,
    pub sdk: u32,
    /// Which hooks its `netd` holds, as `phone netd --profile` has them.
    pub netd: &'static str,
    /// How many fields a line of its packages list has: eight in Android 10, ten by now.
    pub list_fields: usize,
    /// Where apps get control groups of their own: Android 16 may keep them apart from the system's.
    pub groups: &'static str,
    /// Whether the kernel tells of its types.
    pub has_types: bool,
}

/// 6.1 is the base of Android 14, 6.12 with pages of 16 KB that of Android 16. Many a kernel of Android 12 and 13 has no types.
pub const MODELS: &[Model] = &[
    Model {
        name: "android-14",
        kernel: "arm-6.1",
        android: "14",
        sdk: 34,
        netd: "14-qpr2",
        list_fields: 10,
        groups: "/sys/fs/cgroup",
        has_types: true,
    },
    Model {
        name: "android-16",
        kernel: "arm-6.12-16k",
        android: "16",
        sdk: 36,
        netd: "15",
        list_fields: 10,
        groups: "/sys/fs/cgroup/apps",
        has_types: true,
    },
    Model {
        name: "android-13",
        kernel: "arm-6.1",
        android: "13",
        sdk: 33,
        netd: "13",
        list_fields: 8,
        groups: "/sys/fs/cgroup",
        has_types: false,
    },
];

impl Model {
    pub fn kernel(&self) -> &'static Kernel {
        kernels::KERNELS
            .iter()
            .find(|kernel| kernel.name == self.kernel)
            .unwrap_or(&kernels::KERNELS[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_has_a_kernel_of_the_table() {
        for model in MODELS {
            assert_eq!(model.kernel().name, model.kernel, "{}", model.name);
        }
    }
}
