-- Who complained, by day and channel. A small part of all interactions, which
-- those who look at complaints would else read again each time.
with customer_interactions as (
    select * from intermediate.customer_interactions
),

final as (
    select
        customer_id,
        day,
        channel,
        cast(sum(interactions) as bigint) as complaints
    from customer_interactions
    where is_complaint
    group by customer_id, day, channel
)

select * from final
