-- Both models, fitted over everyone: one row.
with histories as (
    select * from landed.histories
),

fits as (
    select
        bgnbd_fit(frequency, recency, age) as bgnbd,
        gamma_gamma_fit(frequency, monetary) filter (where frequency > 0)
            as gamma_gamma
    from histories
)

select
    bgnbd['r'] as r,
    bgnbd['alpha'] as alpha,
    bgnbd['a'] as a,
    bgnbd['b'] as b,
    gamma_gamma['p'] as p,
    gamma_gamma['q'] as q,
    gamma_gamma['v'] as v
from fits
