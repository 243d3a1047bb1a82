# shellcheck shell=sh disable=SC2154
# How is the user told what happens? In the log, and in the module's description. Sourced after state.sh.

# Three old logs of a megabyte: weeks, and still nothing for a phone. It is looked once a minute, so one may grow larger.
: "${TRACER_LOG_BYTES:=1048576}"

say() {
    printf '%s supervisor: %s\n' "$(date '+%Y-%m-%d %H:%M:%S')" "$1" >>"$log"
}

# Copied and emptied, not renamed: the tracer keeps writing to the file it has open. It appends, so what comes next begins at
# the start. Lines written between the copy and the emptying are lost; a reader in between would cost a process for ever.
rotate() {
    [ "$(stat -c %s "$log" 2>/dev/null || echo 0)" -gt "$TRACER_LOG_BYTES" ] || return 0
    mv -f "$log.2" "$log.3" 2>/dev/null
    mv -f "$log.1" "$log.2" 2>/dev/null
    cp "$log" "$log.1"
    : >"$log"
}

# Puts a state in front of the description that the module came with, or takes it away. It is written anew beside and put in
# its place whole, because a module without its description is none; where there is no room, the old one stays.
describe() {
    [ -e "$MODDIR/module.plain" ] || cp "$MODDIR/module.prop" "$MODDIR/module.plain" || return 0
    (
        while IFS= read -r line; do
            case $line in
            description=*) [ -z "$1" ] || line="description=[$1] ${line#description=}" ;;
            esac
            printf '%s\n' "$line" || exit 1
        done <"$MODDIR/module.plain" >"$MODDIR/module.new"
    ) && chmod 0644 "$MODDIR/module.new" && mv -f "$MODDIR/module.new" "$MODDIR/module.prop"
}

# The last reason that tracer gave for not running.
reason() {
    grep -E '^(tracer|error): ' "$log" | tail -n 1
}
