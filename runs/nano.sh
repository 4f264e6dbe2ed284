#!/usr/bin/env bash
# flashstep-nano from nothing to its figures: pretraining with MTP, reinforcement learning, evaluation.
# Run it again after a kill or a shutdown: every stage goes on where it stopped.
#
#   runs/nano.sh                                   # two CPU cores, about a night
#   RECIPE=nano-gpu TRAIN="--device cuda --compile" runs/nano.sh   # one GPU
#   START=FOLDER runs/nano.sh                      # from the weights of another checkpoint
set -euo pipefail
cd "$(dirname "$0")/.."

OUT=${OUT:-out/nano}
RECIPE=${RECIPE:-nano-cpu}
TRAIN=${TRAIN:-}
START=${START:-}
BIN=${BIN:-.venv/bin}

[ "$BIN" != .venv/bin ] || make install # does nothing when everything is there

# Words of TRAIN are options, so it is not quoted.
# shellcheck disable=SC2086
"$BIN/flashstep" train "$RECIPE" --out "$OUT/pretrained" ${START:+--from "$START"} $TRAIN
"$BIN/flashstep" train nano-rl --from "$OUT/pretrained" --out "$OUT/rl"

for stage in pretrained rl; do
    "$BIN/flashstep" eval core tools long --model "$OUT/$stage" --out "$OUT/eval-$stage.json" --png "$OUT/eval-$stage.png"
done
"$BIN/flashstep" eval gym --model "$OUT/rl" --n 50 --out "$OUT/eval-gym.json"
echo "done: checkpoints in $OUT/pretrained and $OUT/rl, figures in $OUT/eval-*.json"
