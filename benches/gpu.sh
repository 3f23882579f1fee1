#!/bin/sh
# The first hour on an NVIDIA GPU: is it right, how fast is it, and beside what. Not yet run on one.
#
#   benches/gpu.sh MODEL [PYTHON]
#
# MODEL is a directory of Qwen2-VL in bf16, PYTHON has torch for CUDA, torchvision, transformers and pillow (default: python3).
# Needs the driver and the CUDA toolkit's libdevice (CUDA_PATH). Prints what each step runs and goes on where one fails; lines of
# JSON are results. Whoever publishes them adds what `nvidia-smi` says.
set -u
[ $# -ge 1 ] || { echo "usage: $0 MODEL [PYTHON]" >&2; exit 2; }
model=$(realpath "$1")
python=${2:-python3}
cd "$(dirname "$0")/.."
failed=0

step() {
    echo
    echo "== $*"
    "$@" || { echo "== failed with $?: $*"; failed=1; }
}

step nvidia-smi

# Right: the golden data in f32 and bf16, with burn's own choice of kernels, then with those that are fastest.
step cargo run --release --features cuda,verify --example verify -- --golden tests/fixtures/golden --device cuda
step cargo run --release --features cuda,autotune,verify --example verify -- --golden tests/fixtures/golden --device cuda
for tests in whole_path batch sampling; do
    step env RCMU_DEVICE=cuda cargo test --release --features cuda --test "$tests"
done
step env RUST_BACKTRACE=1 cargo test --release --features cuda --test packed_weights -- --ignored

# Near: logits of each type and format beside f32 on the CPU.
export RCMU_BENCH_MODEL="$model"
step cargo bench --features cuda,autotune --bench drift

# Fast: a whole answer as the device computes by default (bf16), in 8 and in 4 bits; then transformers on the same question.
export RCMU_BENCH_TOKENS=128
step cargo bench --features cuda,autotune --bench whole
for weights in q8 q4; do
    step env RCMU_BENCH_WEIGHTS=$weights cargo bench --features cuda,autotune --bench whole
done
for cache in dynamic static; do
    step "$python" benches/compare_transformers.py --model "$model" --device cuda --dtype bf16 --cache $cache --new 128
done
exit $failed
