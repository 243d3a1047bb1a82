#!/bin/sh
# Makes v2fly-companies.tsv of lists that are each one company's own: derive-v2fly.sh CHECKOUT/data > v2fly-companies.tsv
# Plain names only: no inclusions, no patterns, no single host names ("full:"), which are mostly tenants of others.
set -eu
cd "$1"
echo "# derived from v2fly/domain-list-community c975ccef9c19f005a3bfa7a33255d1b406deea64 (2026-08-19), MIT, (c) 2018-2019 V2Ray"
printf '# domain\tmatch\tentity\tlist\tattr\n'
for list in agora airbnb baishancloud cdn77 cloudinary ctrip didi digitalocean discord dropbox epicgames garena geetest getui \
    growingio honor iflytek iqiyi ishumei jiguang kakao lg limelight mapbox meitu meituan meizu naver netflix nvidia ogury \
    oneplus openx oppo perplexity pinduoduo pubmatic qiniu reddit roblox shopee signal slack spotify supercell taboola \
    tendcloud twitch uber upai viber vivo wangsu xiaohongshu zendesk zhihu zoom; do
    sed 's/#.*//' "$list" | awk -v list="$list" 'BEGIN { OFS = "\t" }
        $1 ~ /^[a-z0-9-]+(\.[a-z0-9-]+)+$/ { print $1, "suffix", list, list, substr($2, 2) }'
done | LC_ALL=C sort -u
