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

# Writes itself down as the one supervisor. A file that is linked into place is there whole or not at all.
claim() {
    mkdir -p "$TRACER_DATA"
    identity $$ >"$supervisor_file.$$"
    claimed=1
    for _ in 1 2 3; do
        if ln "$supervisor_file.$$" "$supervisor_file" 2>/dev/null; then
            claimed=0
            break
        fi
        owner "$supervisor_file" >/dev/null && break
        # Of one that was killed, or of the last boot. Another may have noticed too, and have taken its place by now.
        mv -f "$supervisor_file" "$supervisor_file.old.$$" 2>/dev/null || continue
        if owner "$supervisor_file.old.$$" >/dev/null; then
            mv -f "$supervisor_file.old.$$" "$supervisor_file"
            break
        fi
    done
    rm -f "$supervisor_file.$$" "$supervisor_file.old.$$"
    return "$claimed"
}

finish() {
    [ -z "$watcher" ] || kill "$watcher" 2>/dev/null
    [ -z "$nap" ] || kill "$nap" 2>/dev/null
    stop "$tracer_file" 10
    rm -f "$tracer_file" "$supervisor_file"
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
    say "starts tracer run $*"
    # Appending, because the log is emptied meanwhile.
    "$MODDIR/tracer" run "$@" >>"$log" 2>&1 &
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
