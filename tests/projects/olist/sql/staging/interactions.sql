-- How a lead comes: somebody asks for a call on a landing page.
with leads as (
    select * from landed.leads
)

select
    lead_no as interaction_id,
    lead_no as customer_id,
    day_start(contacted_on) as occurred_at,
    'inbound' as direction,
    'web' as channel,
    'enquiry' as kind,
    cast(null as varchar) as campaign_id,
    landing_page as content_id,
    cast(null as varchar) as product_id,
    cast(null as varchar) as response,
    cast(null as double) as value
from leads
