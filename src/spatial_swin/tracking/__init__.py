"""What a run says to wandb, TensorBoard and trackio, and which of them it says it to."""
