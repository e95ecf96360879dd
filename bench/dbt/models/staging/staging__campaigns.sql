{{ config(alias='campaigns') }}
-- Campaigns and what they cost.
with campaigns as (
    select * from {{ landed('campaigns') }}
    qualify row_number() over (partition by campaign_code order by delivered desc) = 1
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
