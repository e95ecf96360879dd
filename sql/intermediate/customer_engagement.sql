-- What a customer's interactions come to: one pass over all of them.
with interactions as (
    select * from intermediate.customer_interactions
),

final as (
    select
        customer_id,
        min(first_at) as first_interaction_at,
        min(first_at) filter (where is_engagement) as first_engaged_at,
        max(last_at) filter (where is_engagement) as last_engaged_at,
        max(last_at) filter (where is_outbound) as last_contacted_at,
        max(last_at) filter (where is_complaint) as last_complained_at,
        -- when we wrote what they answered with later
        max(last_at) filter (where response = 'later') as last_put_off_at,
        cast(sum(cost) as decimal(18, 2)) as cost_to_serve,
        cast(
            coalesce(
                sum(cost) filter (where day > add_days($as_of, -365)), 0
            ) as decimal(18, 2)
        ) as cost_to_serve_12m
    from interactions
    group by customer_id
)

select * from final
