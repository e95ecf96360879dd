-- When customers come to us or answer, per day and hour of the wall clock,
-- with the customer's id as landed.
with interactions as (
    select * from staging.interactions
),

engagements as (
    select
        customer_id,
        local_time(occurred_at) as happened_at
    from interactions
    where
        customer_id is not null
        and occurred_at is not null
        -- a null is neither
        and (direction = 'inbound' or response = 'positive')
),

-- Both hours that a clock shows when it is set back count as that hour.
final as (
    select
        cast(happened_at as date) as day,
        customer_id,
        cast(date_part('hour', happened_at) as bigint) as hour,
        count(*) as interactions
    from engagements
    group by
        cast(happened_at as date),
        customer_id,
        cast(date_part('hour', happened_at) as bigint)
)

select * from final
