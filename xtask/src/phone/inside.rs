//! What happens in the phone, from the first process on?
//!
//! As on Android there is no `/tmp`, no `/etc`, no dynamic loader; `/proc` hides processes from all but root and one group.

use super::models::Model;

/// Where Android keeps what it knows of installed apps.
pub const PACKAGES: &str = "/data/system/packages.list";
/// Where its zygote is told what to do, and its netd.
pub const ZYGOTE: &str = "/dev/socket/zygote";
pub const NETD: &str = "/dev/socket/netd";
/// The program that both are.
pub const PHONE: &str = "/system/bin/phone";
/// The port of adbd.
pub const ADBD: u16 = 5555;
/// What the console says when all are there.
pub const BOOTED: &str = "phone: booted";

/// Who is contacted on which ports of TCP; and, of UDP, where.
pub const TCP_PORTS: &[u16] = &[80, 443, 853, 5228];
pub const NAME_SERVER: &str = "198.19.0.53:53";
pub const UDP: &[&str] = &[
    NAME_SERVER,
    "198.19.1.1:443",
    "198.19.1.2:443",
    "198.19.1.3:443",
    "198.19.1.4:443",
];

/// What Android has in memory that everybody may read.
pub const PROPERTIES: &str = "/dev/__properties__";

/// What it is at the start: the contents of `/system/build.prop`.
pub fn properties(model: &Model) -> String {
    format!(
        "ro.build.version.release={}\nro.build.version.sdk={}\nro.build.type=userdebug\n\
         ro.product.system.manufacturer=tracer\nro.product.system.model={}\nro.product.model={}\n\
         ro.product.cpu.abi=arm64-v8a\nsys.boot_completed=1\n",
        model.android, model.sdk, model.name, model.name
    )
}

/// `/system/bin/getprop`, as far as somebody asks for a property that is there.
pub const GETPROP: &str = "#!/system/bin/sh\nexec sed -n \"s/^$1=//p\" /dev/__properties__\n";

/// The first process.
pub fn init(model: &Model) -> String {
    let udp = UDP.join(",");
    let tcp: Vec<String> = TCP_PORTS.iter().map(u16::to_string).collect();
    let hide_types = if model.has_types {
        ""
    } else {
        "mount -t tmpfs tmpfs /sys/kernel/btf\n"
    };
    format!(
        r#"#!/system/bin/busybox sh
/system/bin/busybox --install -s /system/bin
export PATH=/system/bin
mount -t proc -o hidepid=2,gid=3009 proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/socket
mount -t devpts devpts /dev/pts
mount -t tracefs -o gid=3012 tracefs /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
{hide_types}for module in $(cat /vm/modules/order); do
    insmod /vm/modules/$module.ko || echo "phone: cannot load $module"
done
rm -r /vm
hostname localhost
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
# Whoever is asked for is here, but for those on the other side of the cable.
ip route add 10.0.2.0/24 dev eth0 table local
ip route add local default dev lo table local
ip -6 route add local 2001:db8::/32 dev lo
chmod 0771 /data/local/tmp
chown 2000:2000 /data/local/tmp
phone internet --tcp {tcp} --udp {udp} &
phone netd --socket {NETD} --cgroup /sys/fs/cgroup --profile {netd} &
phone zygote --socket {ZYGOTE} --packages-list {PACKAGES} --list-fields {fields} --cgroup {groups} \
    --charges /sys/fs/bpf/netd_shared/map_netd_cookie_tag_map --resolver --room {room} &
adbd --listen 0.0.0.0:{ADBD} --model {name} --environment PATH=/system/bin &
for try in $(seq 100); do
    [ -S {NETD} ] && [ -S {ZYGOTE} ] && [ -S /dev/socket/dnsproxyd ] && break
    sleep 0.1
done
echo "{BOOTED} after $(cut -d ' ' -f 1 /proc/uptime) s"
while true; do wait; sleep 1; done
"#,
        tcp = tcp.join(","),
        netd = model.netd,
        fields = model.list_fields,
        groups = model.groups,
        name = model.name,
        room = "x".repeat(200),
    )
}
