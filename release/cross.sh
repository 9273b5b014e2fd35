#!/usr/bin/env bash
# Lints the package for systems that this machine is not: `make cross`, or `release/cross.sh TARGET ...`. Nothing is run.
#
# rustup's targets are not needed: Debian's Rust compiles the standard library for each target from its source, and zig
# (PyPI's ziglang) is the C compiler of ring. The packages of Debian are unpacked into target/cross, and not installed.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$PWD/target/cross
root=$folder/root
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(
  x86_64-pc-windows-gnu aarch64-pc-windows-gnullvm aarch64-apple-darwin aarch64-unknown-linux-gnu x86_64-unknown-linux-musl
)

if [ ! -e "$folder/unpacked" ]; then
  command -v apt-get >/dev/null || { echo "make cross needs Debian or Ubuntu, for the packages of its Rust" >&2; exit 1; }
  echo "   unpacking Debian's Rust, with its source, into target/cross (200 MB to fetch)"
  rm -rf "$folder/debs" "$root"
  mkdir -p "$folder/debs" "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial" "$root"
  # apt's lists are fetched anew, into a folder of ours: those of the system may be old, and are not ours to change.
  cat >"$folder/apt/apt.conf" <<CONF
Dir::State::lists "$folder/apt/lists";
Dir::Cache "$folder/apt/cache";
APT::Sandbox::User "root";
quiet "2";
CONF
  (
    export APT_CONFIG=$folder/apt/apt.conf
    cd "$folder/debs"
    apt-get update
    # rustc-web is the newer Rust that Debian keeps for browsers; the libraries are those that it and its cargo load.
    apt-get download rustc-web cargo-web rust-web-src rust-web-clippy libstd-rust-web-dev binutils-mingw-w64-x86-64 \
      libgit2-1.5 libssh2-1 libcurl4 libsqlite3-0 libmbedtls14 libmbedx509-1 libmbedcrypto7 libhttp-parser2.9 libedit2 libz3-4
    apt-get download "$(apt-cache depends libstd-rust-web-dev | awk '/Depends: libstd-rust-web-[0-9]/ {print $2}')"
    apt-get download "$(apt-cache search --names-only '^libllvm[0-9]+$' | awk '{print $1}' | sort -V | tail -n 1)"
    for package in *.deb; do dpkg -x "$package" "$root"; done
  )
  touch "$folder/unpacked"
fi

# What ring's build script takes for a C compiler and an archiver.
mkdir -p "$folder/bin"
for tool in cc ar; do
  printf '#!/bin/sh\nexec "%s" -m ziglang %s "$@"\n' "$PWD/.venv/bin/python" "$tool" >"$folder/bin/zig-$tool"
  chmod +x "$folder/bin/zig-$tool"
done
# The C compiler is told the target in zig's words, and not in clang's.
cat >"$folder/bin/zig-cross" <<'SH'
#!/bin/bash
words=()
skip=
for word; do
  case $word in
    --target=* | -march=* | -m64) ;;
    -target | -arch) skip=1 ;;
    *) [ -n "$skip" ] && skip= || words+=("$word") ;;
  esac
done
exec "${0%/*}/zig-cc" -target "$ZIG_TARGET" "${words[@]}"
SH
chmod +x "$folder/bin/zig-cross"

export LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu
export PATH=$root/usr/bin:$folder/bin:$PATH
export RUSTC=$root/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$folder/target
export PYO3_CROSS_PYTHON_VERSION=3.11 CRATE_CC_NO_DEFAULTS=1
echo "   with $("$RUSTC" --version)"
for target in "${targets[@]}"; do
  echo "   $target"
  case $target in
    x86_64-pc-windows-*) zig=x86_64-windows-gnu ;;
    aarch64-pc-windows-*) zig=aarch64-windows-gnu ;;
    aarch64-apple-*) zig=aarch64-macos ;;
    aarch64-unknown-linux-gnu) zig=aarch64-linux-gnu.2.17 ;;
    *-linux-musl) zig=${target%%-*}-linux-musl ;;
    *) echo "unknown to this script: $target" >&2; exit 2 ;;
  esac
  name=${target//-/_}
  # Where the standard library imitates thread-local variables, as on Windows with GNU, this lint overlooks their `const`.
  env ZIG_TARGET="$zig" "CC_$name=$folder/bin/zig-cross" "AR_$name=$folder/bin/zig-ar" \
    cargo clippy --quiet --locked --features python,sandbox --target "$target" -Z build-std=std,panic_unwind \
    -- -D warnings -A clippy::missing-const-for-thread-local
done
