#!/bin/sh
# Makes v2fly-resolvers.tsv of the lists of resolvers that apps ask in place of the device's: derive-v2fly-resolvers.sh CHECKOUT/data > v2fly-resolvers.tsv
# They have names only, no addresses, and no inclusions or patterns: a line of another form is an error, and nothing is written.
set -eu
cd "$1"
rows=$(for kind in doh:category-doh httpdns:category-httpdns-cn; do
    sed 's/#.*//' "${kind#*:}" | awk -v list="${kind#*:}" -v kind="${kind%%:*}" 'BEGIN { OFS = "\t" }
        NF == 0 { next }
        { match_as = sub(/^full:/, "", $1) ? "full" : "suffix" }
        $1 !~ /^[a-z0-9-]+(\.[a-z0-9-]+)+$/ { print list ": " $0 > "/dev/stderr"; exit 1 }
        { print $1, match_as, kind, list, substr($2, 2) }'
done)
echo "# derived from v2fly/domain-list-community c975ccef9c19f005a3bfa7a33255d1b406deea64 (2026-08-19), MIT, (c) 2018-2019 V2Ray"
printf '# domain\tmatch\tkind\tlist\tattr\n'
printf '%s\n' "$rows" | LC_ALL=C sort -u
