-- Two campaigns of one day. The file does not say which, nor what they cost.
with trial as (
    select * from landed.trial
),

campaigns as (
    select
        case email
            when 'Mens E-Mail' then 'mens_email'
            when 'Womens E-Mail' then 'womens_email'
        end as campaign_id,
        email as name
    from trial
    where email <> 'No E-Mail'
    group by email
)

select
    campaign_id,
    name,
    'retention' as objective,
    'email' as channel,
    date '2008-03-01' as started_on,
    date '2008-03-01' as ended_on,
    cast(null as decimal(18, 2)) as cost
from campaigns
