"""One module a verb of `spatial-swin`: add_arguments(parser) and run(arguments) -> exit code; thin."""
