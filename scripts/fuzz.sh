#!/usr/bin/env bash
# Builds the fuzz targets and runs each for a while on the committed corpus: fuzz.sh [SECONDS_EACH] [TARGET...]
#
# The flags are those of cargo-fuzz without a sanitizer, which stable Rust takes too. What is found is kept in
# fuzz/target/corpus; an input that fails is written to fuzz/artifacts and named at the end.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"

seconds="${1:-20}"
[ $# -gt 0 ] && shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(trust_list distinguished_name extraction directory_image fhir_bundle search_query xdm)

instrumentation=(
    -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
    --cfg fuzzing
)
host="$(rustc --version --verbose | sed -n 's/^host: //p')"
built="$PWD/target/$host/release"
# With --target the flags reach neither build scripts nor macros.
CARGO_TARGET_DIR="$PWD/target" CARGO_ENCODED_RUSTFLAGS="$(IFS=$'\x1f'; echo "${instrumentation[*]}")" \
    cargo build --quiet --release --target "$host"

for target in "${targets[@]}"; do
    found="$PWD/target/corpus/$target"
    mkdir -p "$found" artifacts
    echo "fuzzing $target for $seconds s"
    "$built/$target" "$found" "corpus/$target" "-dict=$target.dict" \
        "-artifact_prefix=$PWD/artifacts/$target-" \
        "-max_total_time=$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0 \
        2>"$found.log" || {
        tail -n 60 "$found.log" >&2
        echo "$target failed; the input is in fuzz/artifacts" >&2
        exit 1
    }
    grep -E 'number_of_executed_units|average_exec_per_sec|peak_rss_mb' "$found.log"
done
