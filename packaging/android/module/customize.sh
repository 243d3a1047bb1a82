# shellcheck shell=sh disable=SC2034,SC2154
# What is done when the module is installed? The installer sources this after it has unpacked the zip into MODPATH; ARCH,
# ui_print, abort and set_perm are its own.

: "${TRACER_DATA:=/data/adb/tracer}"

case $ARCH in
arm64) folder=arm64-v8a ;;
x64) folder=x86_64 ;;
*) abort "tracer runs on arm64 and x64 only, not on $ARCH" ;;
esac

# 5.10 runs programs on demand. Phones sold with Android 12 have it; those with an older kernel keep theirs through every update.
release=$(uname -r)
major=${release%%.*}
minor=${release#*.}
minor=${minor%%[!0-9]*}
case $major$minor in
'' | *[!0-9]*) abort "the kernel's version $release cannot be read" ;;
esac
if [ "$major" -lt 5 ] || { [ "$major" -eq 5 ] && [ "$minor" -lt 10 ]; }; then
    abort "tracer needs Linux 5.10 or newer, this phone has $release"
fi

mv "$MODPATH/bin/$folder/tracer" "$MODPATH/tracer" || abort "the zip has no tracer for $ARCH"
rm -rf "${MODPATH:?}/bin"
set_perm "$MODPATH/tracer" 0 0 0755

# The options are the user's: an update leaves them alone.
mkdir -p "$TRACER_DATA"
chmod 0700 "$TRACER_DATA"
[ -e "$TRACER_DATA/options" ] || cp "$MODPATH/options" "$TRACER_DATA/options"
rm -f "$MODPATH/options"

ui_print "- Linux $release on $ARCH"
ui_print "- options: $TRACER_DATA/options"
ui_print "- log:     $TRACER_DATA/tracer.log"
ui_print "- it starts with the next boot; then, on the computer:"
ui_print "  adb forward tcp:9741 tcp:9741"
ui_print "  curl -s 127.0.0.1:9741/metrics"
