# The whole gate, cheapest first.
check: fmt lint test docs length

fmt:
    cargo fmt --all --check

lint:
    cargo clippy --workspace --all-targets -- -D warnings

test:
    cargo test --workspace

docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# One concept per file, at most 400 lines; tables of cases in `tests/` may be longer.
length:
    git ls-files '*.rs' | grep -v '/tests/\|^tests/' | xargs wc -l | awk '$2 != "total" && $1 > 400 { print; bad = 1 } END { exit bad }'

# Every backend compiles; CUDA is checked without its toolkit, which is needed to link only.
features:
    cargo check --no-default-features --features wgpu
    cargo check --no-default-features --features vulkan
    cargo check --no-default-features --features metal
    DOCS_RS=1 cargo check --no-default-features --features cuda
    cargo check --features hub
    cargo check --features grammar

# Parity with the reference on a directory of golden data, on any backend that is compiled in.
verify golden device="flex":
    cargo run --example verify --features verify,{{device}} -- --golden {{golden}} --device {{device}}
