"""Trainers of transformers on the batches of an engine."""

from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import Trainer, TrainingArguments

from progsearch.engine.batches import epoch_batches
from progsearch.training.callback import ProgtuningCallback
from tests.support.runs import tiny_split

NO_DROPOUT: dict[str, Any] = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


class Ordered(Dataset):
    """The engine's batches, epoch after epoch, one batch an item."""

    def __init__(self, split, batch_size, seed, epochs):
        self.split = split
        self.batches = [
            batch
            for epoch in range(epochs)
            for batch in epoch_batches(split.lengths, batch_size, seed, epoch)
        ]

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.split.batch(self.batches[index])


class InOrder(Trainer):
    def _get_train_sampler(self, *args, **kwargs):
        return torch.utils.data.SequentialSampler(self.train_dataset)


# The batches of all epochs are the items of one.
ONE_EPOCH = {
    "num_train_epochs": 1,
    "per_device_train_batch_size": 1,
    "report_to": [],
    "save_strategy": "no",
    "use_cpu": True,
    "disable_tqdm": True,
}
PLAIN = {"learning_rate": 1e-2, "weight_decay": 0.01, "warmup_steps": 0.1, "max_grad_norm": 1.0}


def trainer_for(
    model, schedule, folder, epochs=3, batch_size=8, args=None, split=None, **arguments
):
    split = tiny_split() if split is None else split
    return InOrder(
        model=model,
        args=args or TrainingArguments(output_dir=str(folder), **PLAIN, **ONE_EPOCH, **arguments),
        train_dataset=Ordered(split, batch_size, seed=0, epochs=epochs),
        data_collator=lambda items: items[0],
        callbacks=[ProgtuningCallback(schedule)],
    )
