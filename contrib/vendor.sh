#!/bin/sh
# Make lm_app/static/lm_app/vendor/ anew, from npm: whole files as they are, and of D3 what the pages use.
# Each file names its version and its licence in its first line.
set -eu

HTMX=4.0.1
SIMPLE=2.3.7
ESBUILD=0.28.2
D3="d3-axis@3.0.1 d3-scale@4.0.3 d3-selection@3.0.1 d3-shape@3.2.1"

vendor=$(cd "$(dirname "$0")/.." && pwd)/lm_app/static/lm_app/vendor
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# shellcheck disable=SC2086
npm install --silent --no-audit --no-fund --ignore-scripts $D3 htmx.org@$HTMX simpledotcss@$SIMPLE esbuild@$ESBUILD

cat >d3.js <<'END'
export { axisBottom, axisLeft } from "d3-axis"
export { scaleLinear, scalePoint } from "d3-scale"
export { pointer, select, selectAll } from "d3-selection"
export { area, line } from "d3-shape"
END
{
    echo "/* $D3 (https://d3js.org), ISC licence, bundled by esbuild $ESBUILD: see contrib/vendor.sh */"
    node_modules/@esbuild/*/bin/esbuild d3.js --bundle --minify --format=esm --legal-comments=none
} >"$vendor/d3.js"
{
    echo "/* htmx $HTMX (https://htmx.org), 0BSD licence */"
    cat node_modules/htmx.org/dist/htmx.min.js
} >"$vendor/htmx.js"
{
    echo "/* Simple.css $SIMPLE (https://simplecss.org), MIT licence */"
    cat node_modules/simpledotcss/simple.min.css
} >"$vendor/simple.css"
