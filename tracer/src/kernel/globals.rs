//! With what are the object's read-only globals filled in: the running kernel's offsets, from its BTF or measured? And which
//! types have its tracepoints and functions?

use std::{collections::BTreeMap, fs, io, path::Path, sync::OnceLock};

use anyhow::{Context as _, anyhow, bail, ensure};
use tracer_common::offset::{FIELDS, Field, UNKNOWN};

use crate::kernel::{
    btf::Btf,
    calibrate, cgroup,
    hooks::HOOKS,
    typed::{self, Typed},
};

/// Where kernels keep their own type information; since 5.4, where built with `CONFIG_DEBUG_INFO_BTF`.
pub const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

/// What kind of data a call hands over, since 5.14.
const ITER_TYPE: Field = Field {
    global: "",
    structure: "iov_iter",
    member: "iter_type",
    optional: true,
};

/// Why packets are dropped; a field that hooks may need.
const DROP: &str = "DROP_BY_FILTER";

/// From where the offsets are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The kernel's type information.
    Btf,
    /// The kernel has none: measured.
    Measured {
        fields: usize,
        /// How many there are; those that are missing are not needed on this machine.
        of: usize,
    },
}

impl Origin {
    /// What a user is told of it.
    pub fn describe(self) -> String {
        match self {
            Self::Btf => "yes".to_owned(),
            Self::Measured { fields, of } => {
                format!(
                    "missing; {fields} of {of} fields measured, what needs another is not served"
                )
            }
        }
    }
}

/// Values of the globals, by their names.
pub struct Globals {
    pub values: BTreeMap<&'static str, u32>,
    /// Numbers of the types that programs are attached by; none where the kernel does not tell of its types.
    numbers: BTreeMap<Typed<'static>, u32>,
    /// BTF that tells them, once it is asked for.
    types: OnceLock<Result<aya::Btf, String>>,
    pub origin: Origin,
}

impl Globals {
    /// Those of the running kernel.
    pub fn of_this_kernel() -> anyhow::Result<Self> {
        match fs::read(KERNEL_BTF) {
            Ok(bytes) => Self::from_btf(&bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::measured(),
            Err(error) => Err(error).with_context(|| format!("read {KERNEL_BTF}")),
        }
    }

    /// From type information.
    pub fn from_btf(bytes: &[u8]) -> anyhow::Result<Self> {
        let btf = Btf::new(bytes)?;
        let mut values = BTreeMap::new();
        for field in FIELDS {
            let offset = match btf.offset(field) {
                Err(_) if field.optional => UNKNOWN,
                offset => offset?,
            };
            values.insert(field.global, offset);
        }
        let hierarchy = cgroup::naming_controller(Path::new("/proc/cgroups"));
        let subsystem = hierarchy
            .and_then(|controller| {
                btf.enumerator("cgroup_subsys_id", &format!("{controller}_cgrp_id"))
            })
            .unwrap_or(-1);
        // A bit of a word since 6.4, a bit field before.
        let bit = btf
            .enumerator("", "INET_FLAGS_HDRINCL")
            .map(i32::cast_unsigned)
            .or_else(|| btf.bit("inet_sock", "hdrincl"));
        let mask = bit.and_then(|bit| 1_u32.checked_shl(bit)).unwrap_or(0);
        values.insert("HEADER_INCLUDED", mask);
        for (global, member) in [("JOINS", "request_join"), ("JOINED", "mp_join")] {
            let bit = btf.bit("mptcp_subflow_context", member);
            let mask = bit.and_then(|bit| 1_u32.checked_shl(bit)).unwrap_or(0);
            values.insert(global, mask);
        }
        let reason = btf.enumerator("skb_drop_reason", "SKB_DROP_REASON_SOCKET_FILTER");
        values.insert(DROP, reason.map_or(UNKNOWN, i32::cast_unsigned));
        for (global, kind) in [
            ("DATA_IN_ONE", "ITER_UBUF"),
            ("DATA_IN_SEVERAL", "ITER_IOVEC"),
        ] {
            let number = btf.enumerator("iter_type", kind);
            values.insert(global, number.map_or(UNKNOWN, i32::cast_unsigned));
        }
        // Before 5.14 the lowest bit says which way the data goes.
        let is_byte = btf.offset(&ITER_TYPE).is_ok();
        values.insert("DATA_KIND_BITS", if is_byte { 0xff } else { 0xfe });
        values.insert("CGROUP_SUBSYSTEM", subsystem.cast_unsigned());
        let typed = HOOKS.iter().filter_map(|hook| {
            let typed = hook.attach.typed()?;
            Some((typed, btf.number(typed.kind(), &typed.name())?))
        });
        Ok(Self {
            values,
            numbers: typed.collect(),
            types: OnceLock::new(),
            origin: Origin::Btf,
        })
    }

    /// BTF that tells the number of this type, among others.
    pub fn typed(&self, typed: Typed<'static>) -> anyhow::Result<&aya::Btf> {
        ensure!(
            self.numbers.contains_key(&typed),
            "the kernel does not tell of its type"
        );
        let types = self
            .types
            .get_or_init(|| typed::types(&self.numbers).map_err(|error| format!("{error:#}")));
        types.as_ref().map_err(|error| anyhow!("{error}"))
    }

    /// Fails where one of `fields` is unknown.
    pub fn know(&self, fields: &[&str]) -> anyhow::Result<()> {
        for field in fields {
            if self.values.get(field) == Some(&UNKNOWN) {
                bail!("where this kernel keeps {field} is not known");
            }
        }
        Ok(())
    }

    fn measured() -> anyhow::Result<Self> {
        let offsets =
            calibrate::measure(Path::new("/proc/self/exe")).map_err(|error| explain(&error))?;
        let fields = offsets.fields();
        Ok(Self {
            values: offsets.globals()?,
            numbers: BTreeMap::new(),
            types: OnceLock::new(),
            origin: Origin::Measured {
                fields,
                of: FIELDS.len(),
            },
        })
    }
}

/// Says what a failed measurement means to a user: what happened and its causes, and what can be done about it last.
fn explain(error: &anyhow::Error) -> anyhow::Error {
    let (mut said, mut hint) = (Vec::new(), "boot a kernel built with CONFIG_DEBUG_INFO_BTF");
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    for cause in &causes {
        let (what, advice) = cause.split_once("\nhint: ").unwrap_or((cause, hint));
        said.push(what);
        hint = advice;
    }
    anyhow!(
        "this kernel has no BTF, and its structures could not be measured: {}\nhint: {hint}",
        said.join(": ")
    )
}

#[cfg(test)]
mod tests {
    use super::explain;
    use anyhow::anyhow;

    #[test]
    fn the_hint_stands_behind_every_cause() {
        let check = |error: anyhow::Error, expected: &str| {
            let said = explain(&error).to_string();
            assert!(said.ends_with(expected), "{said}");
        };
        check(
            anyhow!("no access").context("make a group\nhint: allow it"),
            "measured: make a group: no access\nhint: allow it",
        );
        check(
            anyhow!("SOCK_TYPE: it may be at any of [2, 4]"),
            "SOCK_TYPE: it may be at any of [2, 4]\nhint: boot a kernel built with CONFIG_DEBUG_INFO_BTF",
        );
    }
}
