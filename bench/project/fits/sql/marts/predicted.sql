-- What the models expect of each customer over 52 weeks.
with histories as (
    select * from landed.histories
),

models as (
    select
        named_struct(
            'r', r,
            'alpha', alpha,
            'purchase_rate', purchase_rate,
            'a', a,
            'b', b,
            'dropout_probability', dropout_probability
        ) as bgnbd,
        named_struct('p', p, 'q', q, 'v', v, 'mean_value', mean_value)
            as gamma_gamma
    from marts.fitted
)

select
    histories.customer_id,
    bgnbd_p_alive(
        models.bgnbd, histories.frequency, histories.recency, histories.age
    ) as p_alive,
    bgnbd_expected_purchases(
        models.bgnbd,
        histories.frequency,
        histories.recency,
        histories.age,
        52.0
    ) as expected_purchases,
    gamma_gamma_expected_value(
        models.gamma_gamma, histories.frequency, histories.monetary
    ) as expected_value
from histories
cross join models
