#!/bin/sh
# Runs COMMAND, which builds the sources in this folder into ./target, in a way that cargo can trust:
#   sh deploy/docker/build.sh COMMAND [ARGUMENT]…
#
# Cargo takes a file for unchanged if it is not newer than what was built of it. In an image's build the
# files are as old as in the checkout that they come from, while ./target is a cache that other builds
# have filled: cargo would then ship their code. So it is told by times what is true by content: files
# are old where their hash is that of the last whole build here, and new where it is not.
set -eu

hashes=target/sources.sha256
sources() { find . -path ./target -prune -o -type f "$@"; }

mkdir -p target
touch "$hashes"
now=$(mktemp)
sources -exec sha256sum {} + | LC_ALL=C sort > "$now"
# Until the build is whole, only what has not changed is known to be built: a build that fails may have
# built some of the rest.
LC_ALL=C comm -12 "$hashes" "$now" > "$hashes.new"
mv "$hashes.new" "$hashes"
sources -exec touch -d 2000-01-01 {} +
# A line is a hash, two blanks and a name.
LC_ALL=C comm -13 "$hashes" "$now" | cut -c67- | xargs -r -d '\n' touch
"$@"
mv "$now" "$hashes"
