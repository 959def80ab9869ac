#!/bin/sh
# Runs COMMAND, which builds the sources in this folder into ./target, with reliable file times:
#   sh deploy/docker/build.sh COMMAND [ARGUMENT]…
#
# Cargo considers a file unchanged if it is not newer than the outputs built from it. In an image's build,
# files have the times of the original checkout, and ./target is a cache filled by earlier builds, so
# cargo could ship old code. This script sets the times by content: a file is old if its hash is the same
# as in the last complete build, and new otherwise.
set -eu

hashes=target/sources.sha256
sources() { find . -path ./target -prune -o -type f "$@"; }

mkdir -p target
touch "$hashes"
now=$(mktemp)
sources -exec sha256sum {} + | LC_ALL=C sort > "$now"
# Until the build is complete, record only the unchanged files as built: a failed build can have built
# some of the others.
LC_ALL=C comm -12 "$hashes" "$now" > "$hashes.new"
mv "$hashes.new" "$hashes"
sources -exec touch -d 2000-01-01 {} +
# Each line is a hash, two spaces and a name.
LC_ALL=C comm -13 "$hashes" "$now" | cut -c67- | xargs -r -d '\n' touch
"$@"
mv "$now" "$hashes"
