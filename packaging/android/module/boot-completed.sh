# shellcheck shell=sh
# What is started when KernelSU or APatch says that the boot is over? The same as before; whoever comes second ends at once.
# So there is a second try where the first was lost, as when a memory killer met it.
MODDIR=${0%/*}
# shellcheck source=service.sh
. "$MODDIR/service.sh"
