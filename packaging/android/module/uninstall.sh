# shellcheck shell=sh
# What is to be taken away when the module is removed? All of it: nothing runs on, and no file stays.
MODDIR=${0%/*}
# shellcheck source=state.sh
. "$MODDIR/state.sh"

# The supervisor needs up to 10 s for its tracer. Where it was killed, its tracer is still there.
stop "$supervisor_file" 15
stop "$tracer_file" 10
rm -rf "$TRACER_DATA"
