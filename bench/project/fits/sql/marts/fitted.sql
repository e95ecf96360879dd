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
    bgnbd['purchase_rate'] as purchase_rate,
    bgnbd['dropout_probability'] as dropout_probability,
    gamma_gamma['p'] as p,
    gamma_gamma['q'] as q,
    gamma_gamma['v'] as v,
    gamma_gamma['mean_value'] as mean_value
from fits
