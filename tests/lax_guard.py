"""Thresholds for runs too small to tell a collapse from noise: only a gradient of 0 reaches them,
and what is not finite. With it go a patience that no run wears out."""

LAX = {
    "baseline_factor": 1e9,
    "distance_ratio": 1e9,
    "distance_floor": 0.0,
    "spread_ratio": 1e-9,
    "recall_ratio": 1e-9,
    "defect_rise": 1.0,
    "discriminator_loss": 0.0,
    "logit_gap": 1e9,
    "gradient_ratio": 1e9,
    "singular_value_ratio": 1e9,
    "singular_value_change": 0.0,
}
