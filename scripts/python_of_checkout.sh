# Sourced by the scripts beside it with $here and $root set: finds $python, and lets the commands know how they were called.
for python in "${PYTHON:-}" "$root/.venv/bin/python" "$(command -v python || true)" "$(command -v python3 || true)"; do
  [ -n "$python" ] && [ -x "$(command -v "$python" || true)" ] && break
done
if ! "$python" -c 'import spatial_swin' 2>/dev/null; then
  echo "spatial_swin is not installed for ${python:-any python}: run \`make install\` in $root, or activate its environment" >&2
  exit 1
fi
export SPATIAL_SWIN_SCRIPTS="$here"
