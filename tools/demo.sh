#!/usr/bin/env bash
# Encode a sample photograph, draw it at 1x and 3x, and print what came of it. On a fresh machine it makes .venv first.
# Usage: bash tools/demo.sh [PICTURE]; the results go to out/demo.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/venv.sh encode
picture=${1:-sample_data/astronaut.png}
out=out/demo
mkdir -p "$out"

run "encoding (a minute or two; Ctrl-C writes the best so far)" \
    inrcodec encode "$picture" -o "$out/picture.inr" --force --verbose
run "drawing it at its own size" inrcodec decode "$out/picture.inr" -o "$out/1x.png" --force
run "drawing it three times as large" inrcodec decode "$out/picture.inr" -o "$out/3x.png" --scale 3 --force
run "making a page of it" inrcodec view "$out/picture.inr" -o "$out/picture.html" --force
run "looking what is in the file" inrcodec info "$out/picture.inr"
cat <<END

The pictures are in $out: 1x.png, 3x.png drawn by the same file, and picture.html, which zooms in a browser. Next:
  inrcodec (in .venv/bin) encode YOUR.png -o your.inr -q 70     better and larger; -q 20 the other way
  inrcodec decode your.inr -o part.png --region 10,20,64,48 --scale 8
  bash tools/test.sh                                   run the tests
  README.md                                            the command line, the API, how it works, the figures
END
