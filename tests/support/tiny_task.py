"""A tiny model folder and a task that a bag of words can learn, for searches that train."""

import random

from progsearch.config import Recipe, TaskConfig, TrainingConfig
from tests.support.tiny import save_tiny


def tiny_recipe(folder, *, rows=48, **changes):
    """A recipe whose trials take a fraction of a second; ``rows`` makes their epochs longer."""
    if not (folder / "model").is_dir():
        folder.mkdir(exist_ok=True)
        save_tiny(folder / "model")
    draw = random.Random(0)
    for name, number in ((f"train-{rows}", rows), ("validation", 24)):
        lines = ["text,label"]
        for _ in range(number):
            word = draw.choice(["bad", "good"])
            lines.append(f"{' '.join([word] * draw.randint(2, 5))},{word}")
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    training = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-2, "precision": "fp32"}
    settings = {
        "study": "tiny",
        "model": str(folder / "model"),
        "task": TaskConfig(
            name="tiny",
            train_file=str(folder / f"train-{rows}.csv"),
            validation_file=str(folder / "validation.csv"),
        ),
        "space": "quick",
        "budget": 2,
        "front_seeds": 1,
        "parallel": 2,
        # What the default stops depends on how long trials take, which here is chance.
        "scheduler": "none",
        "training": TrainingConfig(**training | changes.pop("training", {})),
    }
    return Recipe(**settings | changes)
