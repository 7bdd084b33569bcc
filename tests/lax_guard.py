"""Thresholds that nothing finite reaches, for runs too small to tell a collapse from noise."""

LAX = {
    "distance_ratio": 1e9,
    "spread_ratio": 1e-9,
    "recall_ratio": 1e-9,
    "defect_rise": 1.0,
    "discriminator_loss": 0.0,
    "logit_gap": 1e9,
    "gradient_ratio": 1e9,
    "singular_value_ratio": 1e9,
    "singular_value_change": 0.0,
}
