# shellcheck shell=sh
# What does the button Action of the module do? It says how things stand, and starts what does not run.
MODDIR=${0%/*}
# shellcheck source=state.sh
. "$MODDIR/state.sh"

if pid=$(owner "$tracer_file"); then
    echo "tracer runs, its process is $pid"
elif owner "$supervisor_file" >/dev/null; then
    echo "tracer does not run at this moment, and will be started again"
elif is_wanted; then
    echo "tracer did not run, and is started"
    sh "$MODDIR/service.sh"
else
    echo "tracer is switched off"
    echo "hint: switch the module on"
fi
if [ -f "$log" ]; then
    echo "the end of $log:"
    tail -n 20 "$log"
fi
