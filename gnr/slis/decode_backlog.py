r"""KV-cache memory held by requests that wait for a decode slot."""

from gnr.slis.affine import total
from gnr.slis.indicator import Form, Indicator, Scope


def form(scope: Scope) -> Form:
    r"""Return the tokens in the caches of prefilled requests that do not decode yet.

    Hard and soft, sums over the classes in scope:

    .. math:: \sum_iP_iq_{d,i}\le\eta,\qquad l=\eta'\sum_iP_iq_{d,i}

    Both sides: tokens per GPU. Such a request holds its prompt, and no output so far. Only classes
    with :math:`\theta_i>0` have a queue that the programs determine.
    """
    prompts = scope.rates.prompt_tokens
    return Form(total({("decode_queue", i): prompts[i] for i in scope.impatient}))


INDICATOR = Indicator(
    kind="decode_backlog",
    title="cached tokens of requests that wait for a decode slot",
    source="decode buffer of eq. P40",
    unit="tokens per GPU",
    directions=("at_most",),
    scopes=("cluster", "class"),
    form=form,
)
