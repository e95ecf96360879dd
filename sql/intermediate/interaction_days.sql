-- Interactions counted per day, customer id as landed, and what they were.
-- The meaning of kinds (cost, points) is added when this is read, so that an
-- edited seed rebuilds nothing here.
with interactions as (
    select * from staging.interactions
),

described as (
    select
        business_day(occurred_at) as day,
        customer_id,
        coalesce(direction, '(none)') as direction,
        coalesce(channel, '(none)') as channel,
        coalesce(kind, '(none)') as kind,
        coalesce(response, 'none') as response,
        occurred_at
    from interactions
    where customer_id is not null and occurred_at is not null
),

final as (
    select
        day,
        customer_id,
        direction,
        channel,
        kind,
        response,
        count(*) as interactions,
        min(occurred_at) as first_at,
        max(occurred_at) as last_at
    from described
    group by day, customer_id, direction, channel, kind, response
)

select * from final
