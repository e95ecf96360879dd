-- Campaigns and what they cost.
with campaigns as (
    select * from landed.campaigns
)

select
    campaign_code as campaign_id,
    title as name,
    objective,
    channel,
    starts_on as started_on,
    ends_on as ended_on,
    budget as cost
from campaigns
