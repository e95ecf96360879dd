-- Views of content, by choice or in answer to a message, counted per day, with
-- the customer's id as landed.
with interactions as (
    select * from staging.interactions
),

final as (
    select
        business_day(occurred_at) as day,
        customer_id,
        content_id,
        count(*) as views
    from interactions
    where
        content_id is not null
        and customer_id is not null
        and occurred_at is not null
        -- a message that was sent is not one that was looked at
        and (direction = 'inbound' or response = 'positive')
    group by business_day(occurred_at), customer_id, content_id
)

select * from final
