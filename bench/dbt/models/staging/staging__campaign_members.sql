{{ config(alias='campaign_members') }}
-- Who was drawn for a campaign, and for which arm.
with draws as (
    select * from {{ landed('campaign_members') }}
    qualify row_number() over (partition by campaign_code, customer_no order by delivered desc) = 1
)

select
    campaign_code as campaign_id,
    customer_no as customer_id,
    drawn_at as assigned_at,
    arm
from draws
