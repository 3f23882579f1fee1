#!/usr/bin/env python3
"""Answers the same question with rcmu, llama.cpp and, if asked, transformers, one after the other in turns, and prints medians.

    compare_llama.py --model DIR --bin DIR --gguf 'model-{}.gguf' --mmproj FILE [--weights q8,q4] [--rounds 3]
                     [--new 128] [--transformers]

`--bin` has `llama-bench` and `llama-mtmd-cli`; `--gguf` is the model in llama.cpp's form, `{}` standing for `q8_0`, `q4_0`
`bf16` or `f32` (`convert_hf_to_gguf.py`, then `llama-quantize --pure`), `--mmproj` its vision tower, `{}` standing for `f32`
beside weights of f32 and for `bf16` beside others. `q4+q4` has the table and the head in 4 bits, too, as
`q4_0` has. llama.cpp's decoding is measured behind as many tokens as the prompt has, its picture by what `llama-mtmd-cli`
says about encoding it. rcmu runs its bench `whole`, which also measures what the machine reads and multiplies per second.
transformers runs in f32 (`compare_transformers.py`).
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent
NAMES = {"q8": "q8_0", "q4": "q4_0", "q4+q4": "q4_0", "bf16": "bf16", "f32": "f32"}


def run(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    if done.returncode:
        sys.exit(f"{command[0]} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout, done.stderr


def ours(args, weights):
    env = os.environ | {"RCMU_BENCH_MODEL": args.model, "RCMU_BENCH_TOKENS": str(args.new),
                        "RAYON_NUM_THREADS": str(args.threads)}
    # By default weights are f32, too, but not packed.
    env.pop("RCMU_BENCH_WEIGHTS", None)
    env |= {"RCMU_BENCH_WEIGHTS": weights} if weights != "f32" else {}
    text, _ = run(["cargo", "bench", "-q", "--bench", "whole"], env=env, cwd=ROOT)
    found = json.loads(next(line for line in text.splitlines() if line.startswith("{")))
    return {"vision, s": found["vision_s"], "prefill, tokens/s": found["prefill_tokens_s"],
            "decoding, tokens/s": found["decode_tokens_s"], "share": found["share_of_bandwidth"],
            "read, GB/s": statistics.mean(found["bandwidth_gb_s"]), "tokens": found["prompt_tokens"],
            "floats, GFLOP/s": statistics.mean(found["float_gflop_s"]),
            "vision share": found["vision_share_of_floats"], "prefill share": found["prefill_share_of_floats"]}


def llama(args, weights, tokens):
    tools = pathlib.Path(args.bin)
    env = os.environ | {"LD_LIBRARY_PATH": args.bin}
    model = args.gguf.format(NAMES[weights])
    mmproj = args.mmproj.format("f32" if weights == "f32" else "bf16")
    common = [str(tools / "llama-bench"), "-m", model, "-t", str(args.threads), "-r", "1", "-o", "json"]
    rates = [json.loads(run([*common, *more], env=env)[0])[0]["avg_ts"]
             for more in (["-p", str(tokens), "-n", "0"], ["-p", "0", "-n", str(args.new), "-d", str(tokens)])]
    said = run([str(tools / "llama-mtmd-cli"), "-m", model, "--mmproj", mmproj, "-t", str(args.threads), "--image",
                str(ROOT / "assets/scene.png"), "-p", "Describe the image.", "-n", "1", "--temp", "0"], env=env)
    encoded = re.search(r"encod(?:ed|ing done) in (\d+) ms", "".join(said))
    return {"vision, s": int(encoded[1]) / 1000 if encoded else None, "prefill, tokens/s": rates[0],
            "decoding, tokens/s": rates[1]}


def transformers(args):
    text, _ = run([sys.executable, str(ROOT / "benches/compare_transformers.py"), "--model", args.model, "--threads",
                   str(args.threads), "--new", str(args.new)])
    found = json.loads(text.strip().splitlines()[-1])
    return {"vision, s": found["vision_s"], "prefill, tokens/s": found["prefill_tokens_per_s"],
            "decoding, tokens/s": found["tokens_per_s"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--model", "--bin", "--gguf", "--mmproj"):
        parser.add_argument(name, required=True)
    parser.add_argument("--weights", default="q8,q4")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--new", type=int, default=128)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--transformers", action="store_true")
    args = parser.parse_args()
    run(["cargo", "bench", "-q", "--bench", "whole", "--no-run"], cwd=ROOT)
    found = {}
    tokens = None
    for number in range(args.rounds):
        for weights in args.weights.split(","):
            # Who is first takes turns; how many tokens the prompt has is known after the first run.
            other = llama(args, weights, tokens) if number % 2 else None
            mine = ours(args, weights)
            tokens = mine["tokens"]
            for who, result in (("rcmu", mine), ("llama.cpp", other or llama(args, weights, tokens))):
                found.setdefault(weights, {}).setdefault(who, []).append(result)
                print(json.dumps({"weights": weights, "who": who} | result), file=sys.stderr)
        if args.transformers:
            result = transformers(args)
            print(json.dumps({"weights": "f32", "who": "transformers"} | result), file=sys.stderr)
            for both in found.values():
                both.setdefault("transformers", []).append(result)
    for weights, both in found.items():
        for what in ("vision, s", "prefill, tokens/s", "decoding, tokens/s"):
            values = {who: [result[what] for result in results if result[what]] for who, results in both.items()}
            shown = {who: f"{statistics.median(v):.1f} ({min(v):.1f} to {max(v):.1f})" for who, v in values.items() if v}
            print(f"{weights} {what}: {', '.join(f'{who} {text}' for who, text in shown.items())}")
            for who in shown.keys() - {"rcmu"}:
                mine, other = statistics.median(values["rcmu"]), statistics.median(values[who])
                print(f"    ratio to {who} {other / mine if what.startswith('vision') else mine / other:.2f}")
        median = {what: statistics.median(result[what] for result in both["rcmu"]) for what in both["rcmu"][0]}
        print(f"{weights} share of the read bandwidth ({median['read, GB/s']:.1f} GB/s): {median['share']:.2f}")
        print(f"{weights} shares of what floats are multiplied at in registers ({median['floats, GFLOP/s']:.0f} GFLOP/s): "
              f"vision {median['vision share']:.2f}, prefill {median['prefill share']:.2f}")


if __name__ == "__main__":
    main()
