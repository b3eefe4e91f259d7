#!/usr/bin/env bash
# Builds a release's files into target/release-files, inside the oldest distribution that they are to run on.
#
#     .github/release-build.sh NAME
set -euo pipefail

name=$1
# The newest glibc that the binary may ask for.
glibc_max=2.31

export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends ca-certificates curl gcc g++ libc6-dev binutils xz-utils dpkg-dev
# The compiler that the profile's counts are for: benches/README.md, "The profile".
release=$(sed -n 's/^release: //p' benches/profile/compiler.txt)
curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --quiet --profile minimal --default-toolchain "$release"
. "$HOME/.cargo/env"

cargo build --release --locked --bin smokescreen
newest=$(objdump -T target/release/smokescreen | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -n 1)
if [ "$(printf '%s\n' "GLIBC_$glibc_max" "$newest" | sort -V | tail -n 1)" != "GLIBC_$glibc_max" ]; then
    echo "the binary needs $newest, later than $glibc_max" >&2
    exit 1
fi

files=target/release-files
mkdir -p "$files"
cp target/release/smokescreen "$files/$name"
cargo install --locked --quiet cargo-deb
cargo deb --no-build --output "$files/"
