"""The settings that every search space may vary; methods add their own."""

from __future__ import annotations

SCHEDULE: dict[str, type] = {
    "n_stages": int,
    "stage_growth": float,
    "whole_epochs": bool,
    "curve": str,
    "initial_freeze": float,
    "further_freeze": float,
    "ratio_of": str,
    "embeddings": str,
    "mode": str,
    "window_at": float,
    "rotate": bool,
    "metric": str,
    "rescore": bool,
}
"""Those of the schedule."""

TRAINING: dict[str, type] = {
    "learning_rate": float,
    "batch_size": int,
    "gradient_accumulation": int,
    "weight_decay": float,
    "warmup_ratio": float,
    "max_grad_norm": float,
}
"""Those of the training."""
