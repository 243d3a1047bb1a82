# shellcheck shell=sh disable=SC2154
# How is tracer kept running? This waits for the end of the boot, starts it, starts it again when it fails, and ends with the
# module. Started by service.sh; only one runs, however often it is started.
MODDIR=${0%/*}
# shellcheck source=state.sh
. "$MODDIR/state.sh"
# shellcheck source=tell.sh
. "$MODDIR/tell.sh"

# Who ran so many seconds was well: what comes next is a new failure, not the same one.
: "${TRACER_STEADY:=600}"
# Tries after the first when tracer says that it cannot run (status 2): a kernel does not change, a busy port may.
tries=5
# Every second is soon enough at first, and once a minute does not empty a battery.
longest_delay=60

set -uf
umask 077
watcher=

# Becomes the one supervisor, or fails. The kernel gives the lock back when its holder dies, however that comes about, so
# nothing of a killed one or of the last boot is in the way.
claim() {
    mkdir -p "$TRACER_DATA"
    # No child inherits it, or it would hold the lock too. mksh passes none on unless told.
    exec 9>>"$TRACER_DATA/lock"
    flock -n 9 9>&9
    case $? in
    0) ;;
    # There is no flock. Of those that make a folder one succeeds; it may also be left by one that was killed.
    127)
        if ! mkdir "$TRACER_DATA/alone" 2>/dev/null; then
            for _ in 1 2 3 4 5; do
                nap 1
                ! owner "$supervisor_file" >/dev/null || return 1
            done
        fi
        ;;
    *) return 1 ;;
    esac
    identity $$ >"$supervisor_file"
}

finish() {
    [ -z "$watcher" ] || kill "$watcher" 2>/dev/null
    [ -z "$nap" ] || kill "$nap" 2>/dev/null
    stop "$tracer_file" 10
    rm -f "$tracer_file" "$supervisor_file"
    rmdir "$TRACER_DATA/alone" 2>/dev/null
}

# The words of the options file. Windows' line ends are blanks too.
options() {
    [ -f "$options_file" ] || return 0
    while read -r words || [ -n "$words" ]; do
        case $words in
        '#'*) ;;
        *) printf '%s\n' "$words" ;;
        esac
    done <"$options_file"
}

# Whole seconds since the boot. The clock of the day jumps when a phone finds a network.
seconds() {
    read -r up _ </proc/uptime
    echo "${up%.*}"
}

# Beside the tracer, once a minute while the phone is awake: is the log too long, is the module still wanted?
watch() {
    exec 9>&-
    trap - EXIT
    trap 'kill "$nap" 2>/dev/null; exit 0' TERM
    nap 60
    # What ran for a minute can run.
    describe ''
    # Where the supervisor is killed, this ends with the tracer.
    while [ "$(owner "$tracer_file")" = "$1" ]; do
        rotate
        is_wanted || stop "$tracer_file" 10
        nap 60
    done
}

# Runs the tracer to its end and returns its status.
run() {
    rotate
    # shellcheck disable=SC2046 # they are words
    set -- $(options)
    say "starts tracer run${*:+ $*}"
    # Appending, because the log is emptied meanwhile.
    "$MODDIR/tracer" run "$@" >>"$log" 2>&1 9>&- &
    identity $! >"$tracer_file"
    tracer=$!
    watch "$tracer" &
    watcher=$!
    wait "$tracer"
    status=$?
    kill "$watcher" 2>/dev/null
    wait "$watcher"
    watcher=
    rm -f "$tracer_file"
    return "$status"
}

claim || exit 0
trap finish EXIT
trap 'exit 0' TERM INT HUP
carriage_return=$(printf '\r')
IFS=" 	$carriage_return
"

# A safety rule: netd must have attached its programs first. It ends with abort(), and Android with it, where a place that it
# wants for itself alone is taken.
until [ "$(getprop sys.boot_completed)" = 1 ]; do
    is_wanted || exit 0
    nap 5
done

stop "$tracer_file" 10
describe ''
delay=1
refused=0
while is_wanted; do
    start=$(seconds)
    run
    status=$?
    if ! is_wanted; then
        break
    fi
    if [ $(($(seconds) - start)) -ge "$TRACER_STEADY" ]; then
        delay=1
        refused=0
    fi
    case $status in
    0)
        say "tracer was told to end"
        exit 0
        ;;
    # 126 and 127 are the shell's: the file is not there, or is for another machine.
    2 | 126 | 127)
        if [ "$refused" -eq "$tries" ]; then
            say "tracer cannot run, and is given up until the next boot, or Action"
            describe "does not run: $(reason)"
            exit 0
        fi
        refused=$((refused + 1))
        describe "could not run yet: $(reason)"
        ;;
    *) refused=0 ;;
    esac
    say "tracer ended with status $status, and is started again in $delay s"
    nap "$delay"
    delay=$((delay * 2))
    [ "$delay" -le "$longest_delay" ] || delay=$longest_delay
done
say "the module is switched off"
describe ''
