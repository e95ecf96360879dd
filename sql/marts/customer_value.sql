-- What each buyer was worth and is expected to be worth.
with buyers as (
    select * from intermediate.buyers
),

clv_inputs as (
    select * from intermediate.clv_inputs
),

clv_fit as (
    select * from intermediate.clv_fit
),

customer_engagement as (
    select * from intermediate.customer_engagement
),

marketing_costs as (
    select * from intermediate.marketing_costs
),

rfm_segments as (
    select * from seeds.rfm_segments
),

spent as (
    select
        customer_id,
        cast(sum(cost) as decimal(18, 2)) as marketing_cost
    from marketing_costs
    group by customer_id
),

historic as (
    select
        buyers.customer_id,
        buyers.first_purchase_on,
        buyers.last_purchase_on,
        buyers.purchase_days,
        buyers.orders,
        buyers.revenue,
        buyers.margin,
        cast(
            coalesce(customer_engagement.cost_to_serve, 0) as decimal(18, 2)
        ) as cost_to_serve,
        cast(coalesce(spent.marketing_cost, 0) as decimal(18, 2))
            as marketing_cost,
        cast(
            buyers.margin
            - coalesce(customer_engagement.cost_to_serve, 0)
            - coalesce(spent.marketing_cost, 0) as decimal(18, 2)
        ) as profit,
        case
            when buyers.purchase_days > 1
                then
                    cast(
                        days_between(
                            buyers.first_purchase_on, buyers.last_purchase_on
                        ) as double
                    ) / (buyers.purchase_days - 1)
        end as average_days_between
    from buyers
    left join customer_engagement
        on buyers.customer_id = customer_engagement.customer_id
    left join spent on buyers.customer_id = spent.customer_id
),

models as (
    select
        named_struct(
            'r', bgnbd_r,
            'alpha', bgnbd_alpha,
            'purchase_rate', bgnbd_purchase_rate,
            'a', bgnbd_a,
            'b', bgnbd_b,
            'dropout_probability', bgnbd_dropout_probability
        ) as bgnbd,
        named_struct(
            'r', mbgnbd_r,
            'alpha', mbgnbd_alpha,
            'purchase_rate', mbgnbd_purchase_rate,
            'a', mbgnbd_a,
            'b', mbgnbd_b,
            'dropout_probability', mbgnbd_dropout_probability
        ) as mbgnbd,
        named_struct(
            'r', pareto_nbd_r,
            'alpha', pareto_nbd_alpha,
            'purchase_rate', pareto_nbd_purchase_rate,
            's', pareto_nbd_s,
            'beta', pareto_nbd_beta,
            'dropout_probability', pareto_nbd_dropout_probability,
            'dropout_rate', pareto_nbd_dropout_rate
        ) as pareto_nbd,
        named_struct(
            'p', gamma_gamma_p,
            'q', gamma_gamma_q,
            'v', gamma_gamma_v,
            'mean_value', gamma_gamma_mean_value
        ) as gamma_gamma,
        margin_rate
    from clv_fit
),

-- Predictions from the models that were fitted over everyone here: of the three
-- of purchases, the chosen one is computed alone. Who has no repeat purchase
-- with a value gets the population's mean value.
predictions as (
    select
        clv_inputs.customer_id,
        clv_inputs.frequency,
        clv_inputs.recency,
        clv_inputs.age,
        clv_inputs.monetary,
        case $clv_model
            when 'bgnbd'
                then
                    bgnbd_p_alive(
                        models.bgnbd,
                        clv_inputs.frequency,
                        clv_inputs.recency,
                        clv_inputs.age
                    )
            when 'mbgnbd'
                then
                    mbgnbd_p_alive(
                        models.mbgnbd,
                        clv_inputs.frequency,
                        clv_inputs.recency,
                        clv_inputs.age
                    )
            when 'pareto_nbd'
                then
                    pareto_nbd_p_alive(
                        models.pareto_nbd,
                        clv_inputs.frequency,
                        clv_inputs.recency,
                        clv_inputs.age
                    )
        end as p_alive,
        case $clv_model
            when 'bgnbd'
                then
                    bgnbd_expected_purchases(
                        models.bgnbd,
                        clv_inputs.frequency,
                        clv_inputs.recency,
                        clv_inputs.age,
                        $clv_horizon_days / 7.0
                    )
            when 'mbgnbd'
                then
                    mbgnbd_expected_purchases(
                        models.mbgnbd,
                        clv_inputs.frequency,
                        clv_inputs.recency,
                        clv_inputs.age,
                        $clv_horizon_days / 7.0
                    )
            when 'pareto_nbd'
                then
                    pareto_nbd_expected_purchases(
                        models.pareto_nbd,
                        clv_inputs.frequency,
                        clv_inputs.recency,
                        clv_inputs.age,
                        $clv_horizon_days / 7.0
                    )
        end as expected_purchases,
        case $clv_model
            when 'bgnbd'
                then
                    bgnbd_discounted_purchases(
                        models.bgnbd,
                        clv_inputs.frequency,
                        clv_inputs.recency,
                        clv_inputs.age,
                        $clv_horizon_days,
                        $clv_discount_rate
                    )
            when 'mbgnbd'
                then
                    mbgnbd_discounted_purchases(
                        models.mbgnbd,
                        clv_inputs.frequency,
                        clv_inputs.recency,
                        clv_inputs.age,
                        $clv_horizon_days,
                        $clv_discount_rate
                    )
            when 'pareto_nbd'
                then
                    pareto_nbd_discounted_purchases(
                        models.pareto_nbd,
                        clv_inputs.frequency,
                        clv_inputs.recency,
                        clv_inputs.age,
                        $clv_horizon_days,
                        $clv_discount_rate
                    )
        end as discounted_purchases,
        -- nothing fitted: all repeat buyers spend the same
        coalesce(
            gamma_gamma_expected_value(
                models.gamma_gamma, clv_inputs.frequency, clv_inputs.monetary
            ),
            models.gamma_gamma['mean_value']
        ) as expected_purchase_value,
        models.margin_rate
    from clv_inputs
    cross join models
),

-- A value above k of the four cut points .2 .4 .6 .8 (linearly interpolated)
-- is one whose rank from 0 exceeds k fifths of (customers - 1): exact, and
-- equal values stay together.
ranks as (
    select
        customer_id,
        count(*) over () as customers,
        cast(rank() over (order by last_purchase_on) as bigint) - 1 as r_rank,
        cast(rank() over (order by purchase_days) as bigint) - 1 as f_rank,
        cast(rank() over (order by revenue) as bigint) - 1 as m_rank,
        cast(
            row_number() over (order by profit desc, customer_id) as bigint
        ) as profit_place
    from historic
),

classes as (
    select
        customer_id,
        greatest(
            1, (5 * r_rank + customers - 2) / greatest(customers - 1, 1)
        ) as r,
        greatest(
            1, (5 * f_rank + customers - 2) / greatest(customers - 1, 1)
        ) as f,
        greatest(
            1, (5 * m_rank + customers - 2) / greatest(customers - 1, 1)
        ) as m,
        -- shares as decimals: 0.1 x 30 must not be a little more than 3
        case
            when
                profit_place
                <= ceil(customers * cast($vip_share as decimal(9, 6)))
                then 'vip'
            when
                customers - profit_place
                < ceil(customers * cast($low_share as decimal(9, 6)))
                then 'low'
            else 'core'
        end as value_tier
    from ranks
),

triples as (
    select distinct
        r,
        f,
        m
    from classes
),

named_triples as (
    select
        triples.r,
        triples.f,
        triples.m,
        first_value(rfm_segments.segment order by rfm_segments.rank)
            as rfm_segment
    from triples
    inner join rfm_segments
        on
            triples.r between rfm_segments.r_from and rfm_segments.r_to
            and triples.f between rfm_segments.f_from and rfm_segments.f_to
            and triples.m between rfm_segments.m_from and rfm_segments.m_to
    group by triples.r, triples.f, triples.m
),

final as (
    select
        historic.customer_id,
        historic.first_purchase_on,
        historic.last_purchase_on,
        historic.purchase_days,
        historic.orders,
        historic.revenue,
        historic.margin,
        historic.cost_to_serve,
        historic.marketing_cost,
        historic.profit,
        historic.average_days_between,
        add_days(
            historic.last_purchase_on,
            cast(round(historic.average_days_between) as bigint)
        ) as expected_next_purchase_on,
        predictions.frequency,
        predictions.recency,
        predictions.age,
        predictions.monetary,
        predictions.p_alive,
        predictions.expected_purchases,
        predictions.expected_purchase_value,
        predictions.expected_purchase_value
        * predictions.margin_rate
        * predictions.discounted_purchases as clv,
        classes.r,
        classes.f,
        classes.m,
        named_triples.rfm_segment,
        classes.value_tier
    from historic
    inner join predictions
        on historic.customer_id = predictions.customer_id
    inner join classes on historic.customer_id = classes.customer_id
    left join named_triples
        on
            classes.r = named_triples.r
            and classes.f = named_triples.f
            and classes.m = named_triples.m
)

select * from final
