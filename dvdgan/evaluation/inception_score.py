"""The Inception Score (Salimans et al. 2016), on videos as the paper's section 4.1 uses it."""

import torch
from torch import Tensor
from torch.nn import functional


def inception_score(logits: Tensor) -> float:
    """exp of the mean over clips of KL(p(y|x) || p(y)), in float64; 1..classes.

    logits: (N, classes). All clips are one split: several splits lower the score, since p(y) is
    then estimated from fewer clips. TGAN (Saito et al. 2017), whose protocol the paper's UCF-101
    scores follow, also uses one split; its deviation is over four sets of clips. Its log(p + 1e-7)
    has an error of 1e-5 at a score of 101; log-softmax is exact. A logit of -inf is a probability
    of 0, which adds nothing. Raises ValueError for other logits that are not finite.
    """
    possible = logits.isfinite().any(dim=1).all() and (logits < torch.inf).all()
    if not possible:  # False for NaN, too
        raise ValueError("logits must be numbers, with at least one above -inf for each clip")
    log_conditional = functional.log_softmax(logits.to(torch.float64), dim=1)
    log_marginal = torch.logsumexp(log_conditional, dim=0) - torch.log(
        torch.tensor(len(logits), dtype=torch.float64)
    )
    conditional = log_conditional.exp()
    terms = conditional * (log_conditional - log_marginal)
    return float(terms.where(conditional > 0, 0.0).sum(dim=1).mean().exp())
