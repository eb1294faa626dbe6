"""Several trainings of one recipe: cross-validation, generalisation, each fold a run of its own."""
