"""The Inception Score (Salimans et al. 2016), on videos as the paper's section 4.1 uses it."""

import torch
from torch import Tensor
from torch.nn import functional


def inception_score(logits: Tensor) -> float:
    """exp of the mean over clips of KL(p(y|x) || p(y)), in float64; 1..classes.

    logits: (N, classes). All clips make one split: splitting lowers the score, as p(y) is then
    estimated from fewer clips. TGAN (Saito et al. 2017), which the paper's UCF-101 scores follow,
    takes one split, too; its spread is that over four sets of clips. Its log(p + 1e-7) is off by
    1e-5 at a score of 101, where log-softmax is exact. A logit of -inf is a probability of 0, which
    adds nothing. Raises ValueError for other logits that are not finite.
    """
    possible = logits.isfinite().any(dim=1).all() and (logits < torch.inf).all()
    if not possible:  # NaN is less than nothing
        raise ValueError("logits must be numbers, at least one of each clip's above -inf")
    log_conditional = functional.log_softmax(logits.to(torch.float64), dim=1)
    log_marginal = torch.logsumexp(log_conditional, dim=0) - torch.log(
        torch.tensor(len(logits), dtype=torch.float64)
    )
    conditional = log_conditional.exp()
    terms = conditional * (log_conditional - log_marginal)
    return float(terms.where(conditional > 0, 0.0).sum(dim=1).mean().exp())
