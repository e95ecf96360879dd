-- The e-mails, and who visited the website. The file says that a visit came
-- within two weeks: it is put on the last day of them.
with trial as (
    select * from landed.trial
),

emails as (
    select
        concat('e', cast(_line as varchar)) as interaction_id,
        cast(_line as varchar) as customer_id,
        day_start(date '2008-03-01') as occurred_at,
        'outbound' as direction,
        'email' as channel,
        'offer' as kind,
        case email
            when 'Mens E-Mail' then 'mens_email'
            when 'Womens E-Mail' then 'womens_email'
        end as campaign_id
    from trial
    where email <> 'No E-Mail'
),

visits as (
    select
        concat('v', cast(_line as varchar)) as interaction_id,
        cast(_line as varchar) as customer_id,
        day_start(date '2008-03-15') as occurred_at,
        'inbound' as direction,
        'web' as channel,
        'visit' as kind,
        cast(null as varchar) as campaign_id
    from trial
    where visit = 1
),

contacts as (
    select * from emails
    union all
    select * from visits
)

select
    interaction_id,
    customer_id,
    occurred_at,
    direction,
    channel,
    kind,
    campaign_id,
    cast(null as varchar) as content_id,
    cast(null as varchar) as product_id,
    cast(null as varchar) as response,
    cast(null as double) as value
from contacts
