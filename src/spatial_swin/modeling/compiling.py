"""torch.compile where the recipe asks for it and this machine can; a sentence and no compiling where it cannot.

`torch_compile` is a key of transformers' TrainingArguments. It needs a C++ compiler (CPU) or Triton (CUDA), which is
found out on a small function before the Trainer is built, not hours later. Nothing else is changed.
"""

import os

import torch
from transformers import TrainingArguments

DYNAMO_KEYS = ("ACCELERATE_DYNAMO_BACKEND", "ACCELERATE_DYNAMO_MODE")  # where TrainingArguments leaves them


def settle_compiler(arguments: TrainingArguments) -> str | None:
    """Switch torch_compile off where it cannot work, and return the sentence that says so; None when all is well.

    What compiles in the small may still fail on a part of the model; that part is then run uncompiled.
    """
    if not arguments.torch_compile:
        return None
    try:
        tried = torch.compile(_something, backend=arguments.torch_compile_backend or "inductor")
        tried(torch.ones(8, device=arguments.device))
    except Exception as error:  # whatever the compiler's tool chain raises
        arguments.torch_compile, arguments.torch_compile_backend, arguments.torch_compile_mode = False, None, None
        for key in DYNAMO_KEYS:
            os.environ.pop(key, None)
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        return f"torch_compile: this machine cannot compile ({reason}); training goes on without it"
    from torch._dynamo import config  # takes a second, and only those who compile need it

    config.suppress_errors = True
    return None


def _something(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.gelu(x * 2 + 1)
