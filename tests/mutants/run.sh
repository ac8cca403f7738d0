#!/bin/sh
# Mutation testing of the pure core: `cargo mutants` changes one place after the other, and the core's own suites have to
# turn red. The core is taken out into a crate of its own, below target/mutants, because it builds there in seconds; what
# only the suites of other rooms see is a survivor here, to be judged by a person.
#
#   tests/mutants/run.sh                    everything
#   tests/mutants/run.sh plan skills        these rooms
#   tests/mutants/run.sh rules --shard 1/4  what follows the rooms goes to cargo-mutants
#
# Needs cargo-mutants (cargo install cargo-mutants). The outcome of a room is in target/mutants/ROOM/mutants.out.
set -eu
cd "$(dirname "$0")/../.."
command -v cargo-mutants >/dev/null || { echo "cargo-mutants is not installed; try: cargo install cargo-mutants" >&2; exit 2; }

rooms=
while [ $# -gt 0 ]; do
    case $1 in
        -*) break ;;
        *) rooms="$rooms $1"; shift ;;
    esac
done
[ -n "$rooms" ] || rooms="plan schedule skills watchdog handover rules"

# The core, its tables and the suite $2, as they are in this tree.
take_out() {
    mkdir -p "$1/src" "$1/tests/codegen"
    rm -rf "$1/machines" "$1/src/core" "$1/tests/$2" "$1/mutants.out"
    cp -R machines "$1/"
    cp -R src/core "$1/src/"
    cp -R "tests/$2" "$1/tests/"
    cp tests/codegen/door.toml "$1/tests/codegen/"
    cp Cargo.lock "$1/"
    echo 'pub mod core;' >"$1/src/lib.rs"
    echo "mod $2;" >"$1/tests/main.rs"
    if [ "$2" = design ]; then
        # This one reopens a database, which the core has none of.
        rm "$1/tests/design/reopening.rs"
        sed -i '/^mod reopening;$/d' "$1/tests/design/mod.rs"
    fi
    # Of the dependencies those that the core and its suites use.
    {
        sed -n '/^\[package\]/,/^autobenches/p' Cargo.toml
        printf '\n[workspace]\n\n[lib]\nname = "agent_loop"\npath = "src/lib.rs"\n\n[[test]]\nname = "suite"\npath = "tests/main.rs"\n\n[dependencies]\n'
        sed -n '/^\[dependencies\]/,/^\[build-dependencies\]/p' Cargo.toml |
            grep -E '^(serde|serde_json|thiserror|uuid|jiff|sha2|pulldown-cmark|globset|utoipa) ='
        printf '\n'
        sed -n '/^\[build-dependencies\]/,/^\[dev-dependencies\]/p' Cargo.toml | sed '$d'
        printf '[dev-dependencies]\n'
        sed -n '/^\[dev-dependencies\]/,/^\[profile/p' Cargo.toml | grep -E '^proptest'
        printf '\n[profile.dev]\ndebug = 0\nopt-level = 1\n'
    } >"$1/Cargo.toml"
}

for room in $rooms; do
    # Which suite has to see it. The planted bugs of the design check are left out: they prove the laws, not the core.
    case $room in
        plan | schedule | skills | watchdog) files="$room/**"; suite=$room; tests= ;;
        handover) files=handover/rules.rs; suite=design; tests=design::handover ;;
        rules) files="run/rules/**"; suite=design; tests='--skip design::planted' ;;
        *) echo "there is no \`$room\` in the core to be tried: plan, schedule, skills, watchdog, handover, rules" >&2; exit 2 ;;
    esac
    crate="target/mutants/$room"
    take_out "$crate" "$suite"
    # Some mutants never stop taking memory: what a build and a suite need is far below this (KiB).
    ulimit -v 8388608
    # Exit codes 2 and 3 of cargo-mutants tell of survivors and of time limits: an outcome, not trouble.
    # shellcheck disable=SC2086 # several words
    (cd "$crate" && CARGO_TARGET_DIR=target cargo mutants --in-place --no-shuffle --timeout 120 --colors never \
        --file "src/core/$files" "$@" -- --test suite -- $tests) || [ $? -le 3 ]
    echo "$room: $(wc -l <"$crate/mutants.out/caught.txt") caught, $(wc -l <"$crate/mutants.out/missed.txt") missed," \
        "$(wc -l <"$crate/mutants.out/timeout.txt") without an end, $(wc -l <"$crate/mutants.out/unviable.txt") that do not build"
done
