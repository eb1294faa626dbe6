# Spatial Swin in a container, for a CPU or for NVIDIA GPUs.
#
#   docker build -t spatial-swin .                                # CPU: torch without CUDA, a fifth of the size
#   docker build -t spatial-swin:cuda --build-arg DEVICE=cuda .   # torch as PyPI has it, with CUDA
#   docker run --rm -v "$PWD:/workspace" spatial-swin demo --short
#   docker run --rm -v "$PWD:/workspace" --gpus all --shm-size 8g spatial-swin:cuda train --config spatial_audio --data_dir data
#
# The working folder is /workspace: mount yours there, and what is written stays. Models of the Hub and the trunk cache are kept in
# /workspace/.cache. It runs as whoever `--user` says; tokens come from the environment (-e HF_TOKEN, -e WANDB_API_KEY). Not in the
# image: a compiler (torch_compile), ffmpeg (M4A, AAC), fluidsynth (render --midi).
FROM python:3.11-slim

ARG DEVICE=cpu
WORKDIR /opt/spatial-swin
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY recipes recipes
COPY src src
RUN case "$DEVICE" in \
        cpu) export PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu ;; \
        cuda) ;; \
        *) echo "DEVICE is $DEVICE; say cpu or cuda" >&2; exit 1 ;; \
    esac \
    && pip install --no-cache-dir -c constraints.txt '.[app,export,track]'

ENV HF_HOME=/workspace/.cache/huggingface XDG_CACHE_HOME=/workspace/.cache MPLCONFIGDIR=/tmp/matplotlib PYTHONUNBUFFERED=1
WORKDIR /workspace
ENTRYPOINT ["spatial-swin"]
CMD ["--help"]
