-- The interactions that belong to a campaign, one by one, with the customer's
-- id as landed: who was contacted by it, and what they answered.
with interactions as (
    select * from staging.interactions
),

final as (
    select
        business_day(occurred_at) as day,
        interaction_id,
        customer_id,
        campaign_id,
        occurred_at,
        direction,
        coalesce(channel, '(none)') as channel,
        coalesce(kind, '(none)') as kind,
        coalesce(response, 'none') as response
    from interactions
    where
        campaign_id is not null
        and customer_id is not null
        and occurred_at is not null
)

select * from final
