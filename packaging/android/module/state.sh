# shellcheck shell=sh disable=SC2034
# Where does everything lie, who is alive, and how is he ended? Sourced by the other scripts, which set MODDIR.
# All of it is POSIX sh: it runs in BusyBox's ash and in Android's own mksh, with the tools of BusyBox or of toybox.

# Tests put these elsewhere; the second takes a path, or a name that is no function here. None may be called like a variable that tracer reads, such as TRACER_LOG.
: "${TRACER_DATA:=/data/adb/tracer}"
: "${TRACER_SLEEP:=sleep}"

log=$TRACER_DATA/tracer.log
options_file=$TRACER_DATA/options
supervisor_file=$TRACER_DATA/supervisor.pid
tracer_file=$TRACER_DATA/tracer.pid
nap=

# Whether the module is switched on. Magisk and its kin keep that in files, and say nothing when it changes.
is_wanted() {
    [ -e "$MODDIR/module.prop" ] && [ ! -e "$MODDIR/disable" ] && [ ! -e "$MODDIR/remove" ]
}

# Sleeps so that a signal ends it at once: a shell handles signals when a command of the foreground is over, or in `wait`.
nap() {
    "$TRACER_SLEEP" "$1" 9>&- &
    nap=$!
    wait "$nap"
    # Its number may be given to another.
    nap=
}

# Names a process for ever: numbers are given again, and after a reboot, but never with the same start in the same boot.
identity() {
    { read -r line <"/proc/$1/stat" && read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null || return 1
    # The second field is a name in parentheses, with anything in it. Behind it comes the state, and 19 fields later the start.
    # shellcheck disable=SC2086
    set -- "$1" ${line##*") "}
    [ "$2" != Z ] || return 1
    echo "$1 ${21} $boot"
}

# The process that wrote, or was written into, a file, if it lives.
owner() {
    { read -r pid rest <"$1"; } 2>/dev/null || return 1
    [ "$(identity "$pid")" = "$pid $rest" ] && echo "$pid"
}

# Ends the owner of a file, by force after so many seconds; then all that it started too, if it leads a session.
stop() {
    ending=$(owner "$1") || return 0
    kill -s TERM "$ending"
    patience=$2
    while owner "$1" >/dev/null; do
        if [ "$patience" -eq 0 ]; then
            kill -s KILL -- "-$ending" 2>/dev/null || kill -s KILL "$ending"
            return 0
        fi
        patience=$((patience - 1))
        nap 1
    done
}
