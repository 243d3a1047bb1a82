# shellcheck shell=sh
# What is started at boot? The supervisor, which waits for the end of the boot by itself: this script must not block.
# It gets a session of its own, so that it and all that it starts can be ended together.
MODDIR=${0%/*}
setsid sh "$MODDIR/tracer-service.sh" </dev/null >/dev/null 2>&1 &
