-- Whom we contacted, per day, with the customer's id as landed: by which
-- campaign, through which channel. Contacts without a campaign are here too.
with interactions as (
    select * from staging.interactions
),

contacts as (
    select
        business_day(occurred_at) as day,
        customer_id,
        coalesce(campaign_id, '(none)') as campaign_id,
        coalesce(channel, '(none)') as channel
    from interactions
    where
        direction = 'outbound'
        and customer_id is not null
        and occurred_at is not null
),

final as (
    select
        day,
        customer_id,
        campaign_id,
        channel,
        count(*) as contacts
    from contacts
    group by day, customer_id, campaign_id, channel
)

select * from final
